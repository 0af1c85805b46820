/* A stand-in for libnvidia-ml.so.1, driven live through a file that test and library map.
 *
 * Signatures and structures follow nvml.h as nvidia-ml-py declares them; only what the agent asks is here. Compiled with
 * -DOLD_DRIVER it lacks the symbols that drivers before 535 lack. `nvml.py` holds the same layout for Python.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
    TIMEOUT = 10, LIBRARY_NOT_FOUND = 12, GPU_IS_LOST = 15, VERSION_MISMATCH = 25,
};
enum { DEVICES = 64, FAULTS = 16, FIELDS = 48, PROCESSES = 16, LINKS = 18, THRESHOLDS = 4, PAGES = 2 };

typedef struct {
    char call[48];   /* the function's name, "*" for every one; without version, but for the memory */
    int32_t device;  /* -1 for every one */
    int32_t code;    /* below 0: the signal that ends the process */
    uint32_t block_ms;
    uint32_t unused;
} Fault;

typedef struct {
    uint32_t id;
    uint32_t type; /* nvmlValueType_t: 0 double, 1 unsigned, 2 long, 3 unsigned long long, 4 long long, 5 signed */
    int32_t code;
    uint32_t unused;
    union { double d; uint64_t u; int64_t s; } value;
} Field;

typedef struct {
    uint32_t pid;
    uint32_t unused;
    uint64_t bytes;
} Process;

typedef struct {
    char uuid[80], name[64], serial[32], bus_id[32], vbios[32];
    uint32_t minor, lost, utilization_gpu, utilization_memory;
    int32_t temperature, margin;
    uint32_t thresholds[THRESHOLDS];
    uint32_t power_mw, limit_mw, sm_mhz, memory_mhz, max_sm_mhz, max_memory_mhz;
    uint64_t memory_total, memory_reserved, memory_used, energy_mj, reasons;
    uint32_t ecc_mode, persistence, mig_mode, retired_pending;
    uint64_t ecc[2][2]; /* [corrected, uncorrected][volatile, aggregate] */
    uint32_t remapped[4], retired_pages[PAGES], pcie_generation, pcie_width, pcie_max_generation, pcie_max_width;
    uint32_t pcie_replays, links, link_up[LINKS], link_errors[LINKS][4];
    uint32_t process_count, field_count;
    Process processes[PROCESSES];
    Field fields[FIELDS];
} Device;

typedef struct {
    uint64_t calls; /* made so far, by all processes */
    uint64_t xid_sequence;
    uint32_t xid_device, xid_number, device_count, initialised;
    char driver[32], nvml[32];
    int32_t cuda;
    uint32_t unused;
    Fault faults[FAULTS];
    Device devices[DEVICES];
} State;

typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
typedef struct { unsigned long long total, free, used; } Memory1;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned version; int sensor; int temperature; } Temperature1;
typedef struct { unsigned version; int margin; } Margin1;
typedef struct {
    char legacy[16];
    unsigned domain, bus, device, pci_device, pci_subsystem;
    char bus_id[32];
} Pci3;
typedef struct { unsigned id, scope; int64_t at, latency; int type, code; union { double d; uint64_t u; int64_t s; } value; } FieldValue;
typedef struct { unsigned pid; unsigned long long bytes; unsigned gpu_instance, compute_instance; } Process3;
typedef struct { void *device; unsigned long long type, data; unsigned gpu_instance, compute_instance; } EventData;

static State *state;

static void pause_ms(uint32_t ms) {
    struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) == -1 && errno == EINTR) {}
}

static int attach(void) {
    if (state) return SUCCESS;
    const char *path = getenv("NVML_FAKE_FILE");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return LIBRARY_NOT_FOUND;
    void *mapped = mmap(NULL, sizeof(State), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) return LIBRARY_NOT_FOUND;
    state = mapped;
    return SUCCESS;
}

/* Block and fail as the state says for this call; every function begins with it. */
static int begin(const char *call, int device) {
    if (attach() != SUCCESS) return LIBRARY_NOT_FOUND;
    __atomic_add_fetch(&state->calls, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < FAULTS; i++) {
        Fault *fault = &state->faults[i];
        int meant = !strcmp(fault->call, call) || !strcmp(fault->call, "*");
        if (!meant || (fault->device != -1 && fault->device != device)) continue;
        if (fault->block_ms) pause_ms(fault->block_ms);
        if (fault->code < 0) raise(-fault->code);
        if (fault->code) return fault->code;
    }
    return device >= 0 && state->devices[device].lost ? GPU_IS_LOST : SUCCESS;
}

static int index_of(void *handle) { return (int)(uintptr_t)handle - 1; }
static Device *of(void *handle) { return &state->devices[index_of(handle)]; }

#define ASK(call) \
    int code = index_of(handle) < 0 || index_of(handle) >= DEVICES ? INVALID_ARGUMENT : begin(call, index_of(handle)); \
    if (code) return code
#define NUMBER(function, call, type, what) \
    int function(void *handle, type *out) { ASK(call); *out = (type)(what); return SUCCESS; }
#define WORDS(function, call, what) \
    int function(void *handle, char *out, unsigned size) { ASK(call); snprintf(out, size, "%s", what); return SUCCESS; }

/* The library. */

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    int code = begin("nvmlInit", -1);
    if (!code) state->initialised = 1;
    return code;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return begin("nvmlShutdown", -1); }
const char *nvmlErrorString(int code) { (void)code; return "an error of the fake driver"; }
int nvmlSystemGetDriverVersion(char *out, unsigned size) {
    int code = begin("nvmlSystemGetDriverVersion", -1);
    if (!code) snprintf(out, size, "%s", state->driver);
    return code;
}
int nvmlSystemGetNVMLVersion(char *out, unsigned size) {
    int code = begin("nvmlSystemGetNVMLVersion", -1);
    if (!code) snprintf(out, size, "%s", state->nvml);
    return code;
}
int nvmlSystemGetCudaDriverVersion_v2(int *out) {
    int code = begin("nvmlSystemGetCudaDriverVersion", -1);
    if (!code) *out = state->cuda;
    return code;
}
int nvmlDeviceGetCount_v2(unsigned *out) {
    int code = begin("nvmlDeviceGetCount", -1);
    if (!code) *out = state->device_count;
    return code;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **out) {
    if (attach() != SUCCESS) return UNINITIALIZED;
    int code = index >= state->device_count ? INVALID_ARGUMENT : begin("nvmlDeviceGetHandleByIndex", (int)index);
    if (!code) *out = (void *)(uintptr_t)(index + 1);
    return code;
}

/* Identity. */

WORDS(nvmlDeviceGetUUID, "nvmlDeviceGetUUID", of(handle)->uuid)
WORDS(nvmlDeviceGetName, "nvmlDeviceGetName", of(handle)->name)
WORDS(nvmlDeviceGetSerial, "nvmlDeviceGetSerial", of(handle)->serial)
WORDS(nvmlDeviceGetVbiosVersion, "nvmlDeviceGetVbiosVersion", of(handle)->vbios)
NUMBER(nvmlDeviceGetMinorNumber, "nvmlDeviceGetMinorNumber", unsigned, of(handle)->minor)
NUMBER(nvmlDeviceGetPersistenceMode, "nvmlDeviceGetPersistenceMode", unsigned, of(handle)->persistence)
int nvmlDeviceGetPciInfo_v3(void *handle, Pci3 *out) {
    ASK("nvmlDeviceGetPciInfo");
    memset(out, 0, sizeof *out);
    snprintf(out->bus_id, sizeof out->bus_id, "%s", of(handle)->bus_id);
    sscanf(out->bus_id, "%x:%x:%x", &out->domain, &out->bus, &out->device);
    return SUCCESS;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    ASK("nvmlDeviceGetMigMode");
    if (of(handle)->mig_mode > 1) return NOT_SUPPORTED;
    *current = *pending = of(handle)->mig_mode;
    return SUCCESS;
}

/* Readings. */

int nvmlDeviceGetMemoryInfo_v2(void *handle, Memory2 *out) {
    ASK("nvmlDeviceGetMemoryInfo_v2");
    if (out->version != 0x02000028) return VERSION_MISMATCH;
    Device *device = of(handle);
    out->total = device->memory_total;
    out->reserved = device->memory_reserved;
    out->used = device->memory_used;
    out->free = out->total - out->reserved - out->used;
    return SUCCESS;
}
int nvmlDeviceGetMemoryInfo(void *handle, Memory1 *out) {
    ASK("nvmlDeviceGetMemoryInfo");
    Device *device = of(handle);
    out->total = device->memory_total;
    out->used = device->memory_used + device->memory_reserved;
    out->free = out->total - out->used;
    return SUCCESS;
}
int nvmlDeviceGetUtilizationRates(void *handle, Utilization *out) {
    ASK("nvmlDeviceGetUtilizationRates");
    if (of(handle)->mig_mode == 1) return NOT_SUPPORTED;
    out->gpu = of(handle)->utilization_gpu;
    out->memory = of(handle)->utilization_memory;
    return SUCCESS;
}
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *out) {
    ASK("nvmlDeviceGetTemperature");
    if (sensor) return INVALID_ARGUMENT;
    *out = (unsigned)of(handle)->temperature;
    return SUCCESS;
}
int nvmlDeviceGetTemperatureThreshold(void *handle, int which, unsigned *out) {
    ASK("nvmlDeviceGetTemperatureThreshold");
    if (which < 0 || which >= THRESHOLDS) return INVALID_ARGUMENT;
    if (!of(handle)->thresholds[which]) return NOT_SUPPORTED;
    *out = of(handle)->thresholds[which];
    return SUCCESS;
}
NUMBER(nvmlDeviceGetPowerUsage, "nvmlDeviceGetPowerUsage", unsigned, of(handle)->power_mw)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, "nvmlDeviceGetEnforcedPowerLimit", unsigned, of(handle)->limit_mw)
NUMBER(nvmlDeviceGetTotalEnergyConsumption, "nvmlDeviceGetTotalEnergyConsumption", unsigned long long, of(handle)->energy_mj)
NUMBER(nvmlDeviceGetCurrentClocksThrottleReasons, "nvmlDeviceGetCurrentClocksThrottleReasons", unsigned long long, of(handle)->reasons)
#ifndef OLD_DRIVER
NUMBER(nvmlDeviceGetCurrentClocksEventReasons, "nvmlDeviceGetCurrentClocksEventReasons", unsigned long long, of(handle)->reasons)
int nvmlDeviceGetTemperatureV(void *handle, Temperature1 *io) {
    ASK("nvmlDeviceGetTemperatureV");
    if (io->version != 0x100000C) return VERSION_MISMATCH;
    io->temperature = of(handle)->temperature;
    return SUCCESS;
}
int nvmlDeviceGetMarginTemperature(void *handle, Margin1 *io) {
    ASK("nvmlDeviceGetMarginTemperature");
    if (of(handle)->margin == INT32_MIN) return NOT_SUPPORTED;
    io->margin = of(handle)->margin;
    return SUCCESS;
}
#endif
int nvmlDeviceGetClockInfo(void *handle, int domain, unsigned *out) {
    ASK("nvmlDeviceGetClockInfo");
    *out = domain == 1 ? of(handle)->sm_mhz : of(handle)->memory_mhz;
    return SUCCESS;
}
int nvmlDeviceGetMaxClockInfo(void *handle, int domain, unsigned *out) {
    ASK("nvmlDeviceGetMaxClockInfo");
    *out = domain == 1 ? of(handle)->max_sm_mhz : of(handle)->max_memory_mhz;
    return SUCCESS;
}
int nvmlDeviceGetFieldValues(void *handle, int count, FieldValue *values) {
    ASK("nvmlDeviceGetFieldValues");
    Device *device = of(handle);
    for (int i = 0; i < count; i++) {
        values[i].code = NOT_SUPPORTED;
        for (unsigned j = 0; j < device->field_count && j < FIELDS; j++) {
            Field *field = &device->fields[j];
            if (field->id != values[i].id) continue;
            values[i].code = field->code;
            values[i].type = (int)field->type;
            values[i].value.u = field->value.u;
        }
    }
    return SUCCESS;
}

/* Health. */

int nvmlDeviceGetEccMode(void *handle, unsigned *current, unsigned *pending) {
    ASK("nvmlDeviceGetEccMode");
    if (of(handle)->ecc_mode > 1) return NOT_SUPPORTED;
    *current = *pending = of(handle)->ecc_mode;
    return SUCCESS;
}
int nvmlDeviceGetTotalEccErrors(void *handle, int type, int counter, unsigned long long *out) {
    ASK("nvmlDeviceGetTotalEccErrors");
    if (of(handle)->ecc_mode != 1) return NOT_SUPPORTED;
    *out = of(handle)->ecc[type & 1][counter & 1];
    return SUCCESS;
}
int nvmlDeviceGetRemappedRows(void *handle, unsigned *corrected, unsigned *uncorrected, unsigned *pending, unsigned *failed) {
    ASK("nvmlDeviceGetRemappedRows");
    if (of(handle)->mig_mode == 1) return NOT_SUPPORTED;
    uint32_t *rows = of(handle)->remapped;
    *corrected = rows[0], *uncorrected = rows[1], *pending = rows[2], *failed = rows[3];
    return SUCCESS;
}
NUMBER(nvmlDeviceGetRetiredPagesPendingStatus, "nvmlDeviceGetRetiredPagesPendingStatus", unsigned, of(handle)->retired_pending)
int nvmlDeviceGetRetiredPages(void *handle, int cause, unsigned *count, unsigned long long *pages) {
    ASK("nvmlDeviceGetRetiredPages");
    unsigned have = of(handle)->retired_pages[cause & 1];
    if (*count < have) { *count = have; return INSUFFICIENT_SIZE; }
    for (unsigned i = 0; i < have; i++) pages[i] = 4096ull * i;
    *count = have;
    return SUCCESS;
}
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, "nvmlDeviceGetCurrPcieLinkGeneration", unsigned, of(handle)->pcie_generation)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, "nvmlDeviceGetCurrPcieLinkWidth", unsigned, of(handle)->pcie_width)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, "nvmlDeviceGetMaxPcieLinkGeneration", unsigned, of(handle)->pcie_max_generation)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, "nvmlDeviceGetMaxPcieLinkWidth", unsigned, of(handle)->pcie_max_width)
NUMBER(nvmlDeviceGetPcieReplayCounter, "nvmlDeviceGetPcieReplayCounter", unsigned, of(handle)->pcie_replays)
int nvmlDeviceGetNvLinkState(void *handle, unsigned link, int *out) {
    ASK("nvmlDeviceGetNvLinkState");
    if (link >= of(handle)->links) return NOT_SUPPORTED;
    *out = (int)of(handle)->link_up[link];
    return SUCCESS;
}
int nvmlDeviceGetNvLinkErrorCounter(void *handle, unsigned link, int counter, unsigned long long *out) {
    ASK("nvmlDeviceGetNvLinkErrorCounter");
    if (link >= of(handle)->links) return NOT_SUPPORTED;
    *out = of(handle)->link_errors[link][counter & 3];
    return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, Process3 *out) {
    ASK("nvmlDeviceGetComputeRunningProcesses");
    Device *device = of(handle);
    unsigned have = device->process_count;
    if (have && (!out || *count < have)) { *count = have; return INSUFFICIENT_SIZE; }
    for (unsigned i = 0; i < have; i++) out[i] = (Process3){device->processes[i].pid, device->processes[i].bytes, ~0u, ~0u};
    *count = have;
    return SUCCESS;
}

/* Events: only Xids are reported, as on a driver in a container. */

int nvmlEventSetCreate(void **set) {
    int code = begin("nvmlEventSetCreate", -1);
    if (code) return code;
    uint64_t *seen = malloc(sizeof *seen);
    *seen = state->xid_sequence;
    *set = seen;
    return SUCCESS;
}
int nvmlEventSetFree(void *set) { free(set); return SUCCESS; }
int nvmlDeviceRegisterEvents(void *handle, unsigned long long types, void *set) {
    ASK("nvmlDeviceRegisterEvents");
    (void)set;
    return types & 8 ? SUCCESS : NOT_SUPPORTED;
}
int nvmlEventSetWait_v2(void *set, EventData *out, unsigned timeout_ms) {
    int code = begin("nvmlEventSetWait", -1);
    if (code) return code;
    uint64_t *seen = set;
    /* The driver sleeps in the kernel; looking seldom keeps the cost of waiting near to that. */
    for (unsigned waited = 0; *seen == state->xid_sequence; waited += 250) {
        if (waited >= timeout_ms) return TIMEOUT;
        pause_ms(250);
    }
    *seen = state->xid_sequence;
    *out = (EventData){(void *)(uintptr_t)(state->xid_device + 1), 8, state->xid_number, ~0u, ~0u};
    return SUCCESS;
}
