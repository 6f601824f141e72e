/* SPDX-License-Identifier: MIT */
/* heap_memory.h - how much memory the kernel gives to a process that asks for it. */
#ifndef PROFD_COLLECTOR_HEAP_MEMORY_H
#define PROFD_COLLECTOR_HEAP_MEMORY_H

#include <stdint.h>

/* Bytes: whoever asks for more at once does not get them, whatever else he has. */
uint64_t heap_memory_most(void);

#endif
