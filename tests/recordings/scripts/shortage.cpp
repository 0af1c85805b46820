// Lets a multiplication on the CPU fail as an allocation on a GPU does: thrown where PyTorch's own allocator throws, so
// that what frameworks do with it, and the traceback that is left, are real.
#include <ATen/CPUFunctions.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include <cstdlib>
#include <string>

namespace {

struct Silent : public c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

long limit(const char* name) {
  const char* text = std::getenv(name);
  return text ? std::atol(text) : 0;
}

bool on_this_rank() {
  const char* wanted = std::getenv("SHORTAGE_RANK");
  const char* rank = std::getenv("RANK");
  return !wanted || (rank && std::string(rank) == wanted);
}

// SHORTAGE_OF: which of the two operations may fail, addmm or mm. SHORTAGE_AT: the call that fails, counted from 1.
// SHORTAGE_ABOVE: rows of the input above which every call fails. SHORTAGE_RANK: the only rank in which any fails.
void check(const at::Tensor& rows, const char* name) {
  static const char* wanted = std::getenv("SHORTAGE_OF");
  if (std::string(wanted ? wanted : "addmm") != name) return;
  static const long at = limit("SHORTAGE_AT"), above = limit("SHORTAGE_ABOVE");
  static long calls = 0;
  ++calls;
  bool fails = (at && calls == at) || (above && rows.size(0) > above);
  TORCH_CHECK_WITH(
      OutOfMemoryError, !fails || !on_this_rank(),
      "CUDA out of memory. Tried to allocate 1.95 GiB. GPU 0 has a total capacity of 23.68 GiB of which 1.31 GiB is ",
      "free. Including non-PyTorch memory, this process has 22.36 GiB memory in use. Of the allocated memory ",
      "20.71 GiB is allocated by PyTorch, and 1.18 GiB is reserved by PyTorch but unallocated. If reserved but ",
      "unallocated memory is large try setting PYTORCH_ALLOC_CONF=expandable_segments:True to avoid fragmentation.  ",
      "See documentation for Memory Management  ",
      "(https://docs.pytorch.org/docs/stable/notes/cuda.html#optimizing-memory-usage-with-pytorch-alloc-conf)");
}

at::Tensor mm(const at::Tensor& rows, const at::Tensor& weight) {
  check(rows, "mm");
  return at::cpu::mm(rows, weight);
}

at::Tensor addmm(
    const at::Tensor& bias, const at::Tensor& rows, const at::Tensor& weight, const at::Scalar& beta,
    const at::Scalar& alpha) {
  check(rows, "addmm");
  return at::cpu::addmm(bias, rows, weight, beta, alpha);
}

torch::Library* install() {
  static Silent silent;
  c10::WarningUtils::WarningHandlerGuard guard(&silent);
  auto library = new torch::Library(torch::Library::IMPL, "aten", c10::DispatchKey::CPU, __FILE__, __LINE__);
  library->impl("addmm", addmm);
  library->impl("mm", mm);
  return library;
}

torch::Library* const installed = install();

}  // namespace
