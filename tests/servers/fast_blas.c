/* MLX's wheel for Linux multiplies matrices by the reference BLAS, at one GFLOP a second: it reads
 * 17 tokens of a prompt in a second. This hands the products to the OpenBLAS that numpy brings,
 * whose names have a prefix and whose integers are wide. Loaded before MLX, it is found first.
 * A single row, as each token of an answer is, is a product with a vector: that reads the matrix
 * once, where sgemm writes it anew first (11 ms in place of 31 for 576 x 49152). */

#include <stdint.h>

enum { ROW_MAJOR = 101, NOT_TRANSPOSED = 111, TRANSPOSED = 112 };

void scipy_cblas_sgemm64_(int order, int transpose_a, int transpose_b, int64_t m, int64_t n,
                          int64_t k, float alpha, const float *a, int64_t lda, const float *b,
                          int64_t ldb, float beta, float *c, int64_t ldc);
void scipy_cblas_sgemv64_(int order, int transpose, int64_t rows, int64_t columns, float alpha,
                          const float *matrix, int64_t ld, const float *x, int64_t step_x,
                          float beta, float *y, int64_t step_y);

void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                 const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc) {
    if (order == ROW_MAJOR && m == 1 && transpose_a == NOT_TRANSPOSED) {
        int across = transpose_b == TRANSPOSED;
        scipy_cblas_sgemv64_(order, across ? NOT_TRANSPOSED : TRANSPOSED, across ? n : k,
                             across ? k : n, alpha, b, ldb, a, 1, beta, c, 1);
        return;
    }
    scipy_cblas_sgemm64_(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c,
                         ldc);
}
