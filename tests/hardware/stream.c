/* A STREAM of two kernels, to hold our measurement against: read (a sum over one array, and a dot
   product over two; the faster counts) and copy. Bytes are counted as STREAM does.

   stream THREADS MEBIBYTES_PER_ARRAY -> "READ COPY" in bytes per second, best of all passes. A pass
   lasts from the first thread's begin to the last one's end: on a busy machine a thread may begin
   when another has ended already. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SUM, DOT, COPY, KERNELS, PASSES = 12 };
static size_t share;
static int threads;
static double *a, *b, *begin, *end, best[KERNELS];
static volatile double sink;
static pthread_barrier_t barrier;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void run(int kernel, double *x, double *y) {
  double total = 0;
  if (kernel == SUM)
    for (size_t i = 0; i < share; i++) total += x[i];
  else if (kernel == DOT)
    for (size_t i = 0; i < share; i++) total += x[i] * y[i];
  else
    for (size_t i = 0; i < share; i++) y[i] = x[i];
  sink = total;
}

static void *work(void *argument) {
  size_t id = (size_t)argument;
  double *x = a + id * share, *y = b + id * share;
  for (size_t i = 0; i < share; i++) x[i] = 1, y[i] = 2;
  for (int kernel = 0; kernel < KERNELS; kernel++)
    for (int pass = 0; pass < PASSES; pass++) {
      pthread_barrier_wait(&barrier);
      begin[id] = now();
      run(kernel, x, y);
      end[id] = now();
      pthread_barrier_wait(&barrier);
      if (id != 0) continue;
      double first = begin[0], last = end[0];
      for (int i = 1; i < threads; i++) {
        if (begin[i] < first) first = begin[i];
        if (end[i] > last) last = end[i];
      }
      double rate = (kernel == SUM ? 1 : 2) * 8.0 * share * threads / (last - first);
      if (rate > best[kernel]) best[kernel] = rate;
    }
  return NULL;
}

int main(int count, char **argument) {
  if (count != 3) return 2;
  threads = atoi(argument[1]);
  share = (size_t)atoi(argument[2]) * 131072 / threads;
  a = malloc(share * threads * 8);
  b = malloc(share * threads * 8);
  begin = malloc(threads * sizeof *begin);
  end = malloc(threads * sizeof *end);
  pthread_t *all = malloc(threads * sizeof *all);
  pthread_barrier_init(&barrier, NULL, threads);
  for (size_t i = 0; i < (size_t)threads; i++) pthread_create(&all[i], NULL, work, (void *)i);
  for (int i = 0; i < threads; i++) pthread_join(all[i], NULL);
  printf("%.0f %.0f\n", best[SUM] > best[DOT] ? best[SUM] : best[DOT], best[COPY]);
  return 0;
}
