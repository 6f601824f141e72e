/* SPDX-License-Identifier: MIT */
/*
 * export.h - how the functions that take the place of others are declared. Everything else is
 * hidden (-fvisibility=hidden).
 */
#ifndef PRELOAD_EXPORT_H
#define PRELOAD_EXPORT_H

#define EXPORT	  __attribute__((visibility("default")))
#define COLD	  __attribute__((noinline, cold))
#define LIKELY(x) __builtin_expect(!!(x), 1)
/* Between a call and the return of its result: so that the function that the program called is on
 * the stack of what the call does. */
#define KEEP_FRAME(result) __asm__ volatile("" : "+r"(result))

#endif
