"""Import this to have a matrix multiplication fail as the environment says (shortage.cpp). Run it to build."""

import os
import pathlib
import subprocess
import sys

import torch

BUILT = pathlib.Path(os.environ.get("SHORTAGE_LIBRARY", "/srv/tmp/shortage.so"))


def build() -> None:
    base = pathlib.Path(torch.__file__).parent
    source = pathlib.Path(__file__).with_suffix(".cpp")
    headers = [f"-I{base}/include", f"-I{base}/include/torch/csrc/api/include"]
    libraries = [f"-L{base}/lib", f"-Wl,-rpath,{base}/lib", "-ltorch_cpu", "-lc10"]
    subprocess.run(
        ["g++", "-O1", "-shared", "-fPIC", "-std=c++20", *headers, str(source), "-o", str(BUILT), *libraries], check=True
    )


if __name__ == "__main__":
    build()
    sys.exit()

torch.ops.load_library(str(BUILT))
