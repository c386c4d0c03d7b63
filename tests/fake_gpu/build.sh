#!/bin/sh
# Build the fake libraries: build.sh FOLDER. Needs Linux on x86-64, g++, CuPy, and NVIDIA's runtime
# headers of the CUDA that CuPy was built for: from CUDA_INCLUDE, from Python's cuda.pathfinder, or
# /usr/local/cuda.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python}
if [ "$(uname -sm)" != "Linux x86_64" ] || ! command -v g++ > /dev/null; then
    echo "The fake GPU needs Linux on x86-64 and g++; here is $(uname -sm), $(g++ --version 2> /dev/null |
        head -1 || true)" >&2
    exit 1
fi
include=${CUDA_INCLUDE:-$("$python" -c '
from cuda.pathfinder import find_nvidia_header_directory as find
print(find("cudart") or "")' 2>/dev/null || true)}
include=${include:-/usr/local/cuda/include}
modules=$("$python" -c '
from importlib.util import find_spec
print(find_spec("cupy_backends").submodule_search_locations[0])')/cuda/libs
version=$(sed -n 's/^#define CUDART_VERSION *\([0-9]*\)$/\1/p' "$include/cuda_runtime_api.h")
major=$((version / 1000))
rm -rf "$1"
mkdir -p "$1"
cd "$1"
flags="-std=c++17 -O2 -Wall -fPIC -shared -fvisibility=hidden -Wl,-z,defs -I$here/src"

g++ $flags -isystem "$include" -Wl,-soname,libcuda.so.1 -o libcuda.so.1 "$here/src/runtime.cpp" \
    "$here/src/device.cpp" "$here/src/detour.cpp" "$here/src/libraries.cpp" -ldl -lpthread
g++ $flags -Wl,-soname,libnvrtc.so.$major -o libnvrtc.so.$major "$here/src/nvrtc.cpp" -ldl

# A library that one of CuPy's modules is linked to: what is made of it, and refusals for the rest.
library() { # name, source or nothing, code of the refusal
    module=$(echo "$modules/$1".*.so)
    file=$(readelf -d "$module" | sed -n "s/.*\[\(lib$1\.so\.[0-9]*\)\]/\1/p")
    nm -D --undefined-only "$module" | sed -n "s/.* \($1[A-Za-z0-9_]*\)@.*/\1/p" | sort -u | sed \
        "s/.*/__attribute__((weak, visibility(\"default\"))) int &(void) { return $3; }/" > "$1.c"
    gcc -O1 -fPIC -c -o "$1.o" "$1.c"
    g++ $flags -O3 -march=native -Wl,-soname,$file -o $file $2 "$1.o" -Wl,--no-as-needed \
        ./libcuda.so.1 '-Wl,-rpath,$ORIGIN' -ldl
    rm "$1.c" "$1.o"
}
library cublas "$here/src/cublas.cpp" 15
library cusolver "$here/src/cusolver.cpp" 6
library cusparse "" 6

for empty in cudart cublasLt nvJitLink; do  # cudart: its functions are libcuda's
    g++ -shared -Wl,-soname,lib$empty.so.$major -o lib$empty.so.$major -Wl,--no-as-needed \
        ./libcuda.so.1 '-Wl,-rpath,$ORIGIN'
done
ln -s "$here/device" device
