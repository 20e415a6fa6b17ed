#ifndef HOPYARD_CPCAP_SHIM_H
#define HOPYARD_CPCAP_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <pcap/pcap.h>

/* Memory into which libpcap writes: it only knows how to write to a FILE. */
struct hopyard_memory {
  unsigned char *bytes;
  size_t count;
  size_t capacity;
};

static inline size_t hopyard_memory_append(
    struct hopyard_memory *memory, const char *bytes, size_t count) {
  if (count > memory->capacity - memory->count) return 0;
  memcpy(memory->bytes + memory->count, bytes, count);
  memory->count += count;
  return count;
}

#if defined(__APPLE__) || defined(__FreeBSD__)
static int hopyard_memory_write(void *cookie, const char *bytes, int count) {
  return (int)hopyard_memory_append((struct hopyard_memory *)cookie, bytes, (size_t)count);
}

static inline FILE *hopyard_memory_open(struct hopyard_memory *memory) {
  FILE *file = funopen(memory, NULL, hopyard_memory_write, NULL, NULL);
  if (file) setvbuf(file, NULL, _IONBF, 0);
  return file;
}
#else
/* stdio.h declares fopencookie only for _GNU_SOURCE, which would make other system types differ
   from those that Swift's own C library module has. glibc and musl have the same layout. */
struct hopyard_cookie_functions {
  ssize_t (*read)(void *cookie, char *bytes, size_t count);
  ssize_t (*write)(void *cookie, const char *bytes, size_t count);
  int (*seek)(void *cookie, int64_t *offset, int whence);
  int (*close)(void *cookie);
};
extern FILE *hopyard_fopencookie(
    void *cookie, const char *mode, struct hopyard_cookie_functions functions)
    __asm__("fopencookie");

static ssize_t hopyard_memory_write(void *cookie, const char *bytes, size_t count) {
  return (ssize_t)hopyard_memory_append((struct hopyard_memory *)cookie, bytes, count);
}

static inline FILE *hopyard_memory_open(struct hopyard_memory *memory) {
  struct hopyard_cookie_functions functions = {NULL, hopyard_memory_write, NULL, NULL};
  FILE *file = hopyard_fopencookie(memory, "w", functions);
  if (file) setvbuf(file, NULL, _IONBF, 0);
  return file;
}
#endif

/* pcap_dump without the timeval, whose fields differ between systems. */
static inline void hopyard_dump(
    pcap_dumper_t *dumper, int64_t seconds, int32_t fraction, uint32_t captured, uint32_t length,
    const unsigned char *bytes) {
  struct pcap_pkthdr header;
  memset(&header, 0, sizeof header);
  header.ts.tv_sec = seconds;
  header.ts.tv_usec = fraction;
  header.caplen = captured;
  header.len = length;
  pcap_dump((u_char *)dumper, &header, bytes);
}

/* pcap_offline_filter for a whole frame. */
static inline int hopyard_filter(
    const struct bpf_program *program, uint32_t length, const unsigned char *bytes) {
  static const unsigned char none[1];
  struct pcap_pkthdr header;
  memset(&header, 0, sizeof header);
  header.caplen = length;
  header.len = length;
  return pcap_offline_filter(program, &header, bytes ? bytes : none);
}

#endif
