/* MLX's wheel for Linux multiplies matrices by the reference BLAS, at one GFLOP a second: it reads
 * 17 tokens of a prompt in a second. This hands the products to the OpenBLAS that numpy brings,
 * whose names have a prefix and whose integers are wide. Loaded before MLX, it is found first. */

#include <stdint.h>

void scipy_cblas_sgemm64_(int order, int transpose_a, int transpose_b, int64_t m, int64_t n,
                          int64_t k, float alpha, const float *a, int64_t lda, const float *b,
                          int64_t ldb, float beta, float *c, int64_t ldc);

void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                 const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc) {
    scipy_cblas_sgemm64_(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c,
                         ldc);
}
