"""The library's own CUDA, as source text, which CuPy compiles if there is a GPU.

It does only the work that array operations do badly. The arithmetic is plain C++, so that the tests
run it on a CPU as well.
"""

PHILOX = r"""
typedef unsigned long long uint64;

// Philox4x64-10 (Salmon et al., SC 2011, section 4.3): ten rounds of two multiplications and four
// exclusive-ors; between rounds the key grows by the golden ratio and by sqrt(3) - 1, as 64-bit
// fractions.
__device__ void philox(uint64 c[4], uint64 k0, uint64 k1) {
    const uint64 a = 0xD2E7470EE14C6C93ull, b = 0xCA5A826395121157ull;
    for (int round = 0; round < 10; ++round) {
        const uint64 high0 = __umul64hi(a, c[0]), low0 = a * c[0];
        const uint64 high1 = __umul64hi(b, c[2]), low1 = b * c[2];
        c[0] = high1 ^ c[1] ^ k0;
        c[1] = low1;
        c[2] = high0 ^ c[3] ^ k1;
        c[3] = low0;
        k0 += 0x9E3779B97F4A7C15ull;
        k1 += 0xBB67AE8584CAA73Bull;
    }
}

// One thread makes one block of four words; the last of n may stop short.
extern "C" __global__ void philox4x64(
    uint64* words, uint64 n, const uint64* step, uint64 seed, uint64 s0, uint64 s1, uint64 s2) {
    const uint64 block = (uint64)blockIdx.x * blockDim.x + threadIdx.x;
    // numpy.random.Philox advances its counter before it draws, so block 0 has counter 1.
    uint64 c[4] = {block + 1, *step, s1, s2};
    philox(c, seed, s0);
    for (uint64 i = 4 * block; i < n && i < 4 * block + 4; ++i) words[i] = c[i % 4];
}
"""
