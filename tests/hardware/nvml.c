/* NVML as NVIDIA documents it, for a machine of one made-up card: what nvidia-ml-py loads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { unsigned long long total, free, used; } memory_t;
enum { SUCCESS = 0, NOT_SUPPORTED = 3, DRIVER_NOT_LOADED = 9, LIB_RM_VERSION_MISMATCH = 18 };

static int unified(void) { return getenv("NVML_UNIFIED") != NULL; }
static int init(void) {
  const char *code = getenv("NVML_INIT");
  return code ? atoi(code) : SUCCESS;
}

int nvmlInit_v2(void) { return init(); }
int nvmlInitWithFlags(unsigned flags) { (void)flags; return init(); }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) {
  return code == LIB_RM_VERSION_MISMATCH ? "RM has detected an NVML/RM version mismatch."
         : code == DRIVER_NOT_LOADED     ? "NVIDIA driver is not loaded"
                                         : "Unknown Error";
}
int nvmlSystemGetDriverVersion(char *text, unsigned length) {
  snprintf(text, length, "580.159.03");
  return SUCCESS;
}
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 13000; return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
  *device = (void *)(size_t)(index + 1);
  return SUCCESS;
}
int nvmlDeviceGetName(void *device, char *text, unsigned length) {
  (void)device;
  snprintf(text, length, unified() ? "NVIDIA GB10" : "NVIDIA GeForce RTX 4090");
  return SUCCESS;
}
int nvmlDeviceGetMemoryInfo(void *device, memory_t *memory) {
  (void)device;
  memset(memory, 0, sizeof *memory);
  if (unified()) return NOT_SUPPORTED;
  memory->total = 24564ULL << 20;
  memory->free = 20000ULL << 20;
  return SUCCESS;
}
int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor) {
  (void)device;
  *major = unified() ? 12 : 8;
  *minor = unified() ? 1 : 9;
  return SUCCESS;
}
int nvmlDeviceGetMaxClockInfo(void *device, int type, unsigned *clock) {
  (void)device;
  if (unified() || type != 2) return NOT_SUPPORTED;
  *clock = 10501;
  return SUCCESS;
}
int nvmlDeviceGetMemoryBusWidth(void *device, unsigned *bits) {
  (void)device;
  *bits = 384;
  return unified() ? NOT_SUPPORTED : SUCCESS;
}
