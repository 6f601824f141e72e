// SPDX-License-Identifier: MIT
/*
 * operators.c - C++'s operators new and delete, in libprofd-heap-cxx.so only.
 *
 * Most C++ libraries' call malloc and free, where they are counted. Those of an allocator that
 * brings its own (jemalloc, tcmalloc, mimalloc) do not: they are counted here, unless a trial at
 * the first call shows that they do.
 *
 * They are no part of libprofd-heap.so, since to stand in front of the operators is only safe where
 * one definition serves the whole program, as an allocator's does. In a program that is not in C++
 * and loads libraries that are, each may have its own: here, the first one's would serve all.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "export.h"
#include "sampler.h"
#include "table.h"

/* X(name here, mangled name, parameters, their names, and for a trial what is passed and how it is
 * given back). The type std::align_val_t is passed as a size_t, a reference as a pointer. */
#define NEWS(X)                                                                                    \
	X(new, "_Znwm", (size_t size), (size), (64), real_delete(pointer))                         \
	X(new_array, "_Znam", (size_t size), (size), (64), real_delete_array(pointer))             \
	X(new_nothrow, "_ZnwmRKSt9nothrow_t", (size_t size, const void *tag), (size, tag),         \
		(64, ""), real_delete(pointer))                                                    \
	X(new_array_nothrow, "_ZnamRKSt9nothrow_t", (size_t size, const void *tag), (size, tag),   \
		(64, ""), real_delete_array(pointer))                                              \
	X(new_aligned, "_ZnwmSt11align_val_t", (size_t size, size_t alignment), (size, alignment), \
		(64, 64), real_delete_aligned(pointer, 64))                                        \
	X(new_array_aligned, "_ZnamSt11align_val_t", (size_t size, size_t alignment),              \
		(size, alignment), (64, 64), real_delete_array_aligned(pointer, 64))               \
	X(new_aligned_nothrow, "_ZnwmSt11align_val_tRKSt9nothrow_t",                               \
		(size_t size, size_t alignment, const void *tag), (size, alignment, tag),          \
		(64, 64, ""), real_delete_aligned(pointer, 64))                                    \
	X(new_array_aligned_nothrow, "_ZnamSt11align_val_tRKSt9nothrow_t",                         \
		(size_t size, size_t alignment, const void *tag), (size, alignment, tag),          \
		(64, 64, ""), real_delete_array_aligned(pointer, 64))

#define DELETES(X)                                                                             \
	X(delete, "_ZdlPv", (void *pointer), (pointer))                                        \
	X(delete_array, "_ZdaPv", (void *pointer), (pointer))                                  \
	X(delete_sized, "_ZdlPvm", (void *pointer, size_t size), (pointer, size))              \
	X(delete_array_sized, "_ZdaPvm", (void *pointer, size_t size), (pointer, size))        \
	X(delete_nothrow, "_ZdlPvRKSt9nothrow_t", (void *pointer, const void *tag),            \
		(pointer, tag))                                                                \
	X(delete_array_nothrow, "_ZdaPvRKSt9nothrow_t", (void *pointer, const void *tag),      \
		(pointer, tag))                                                                \
	X(delete_aligned, "_ZdlPvSt11align_val_t", (void *pointer, size_t alignment),          \
		(pointer, alignment))                                                          \
	X(delete_array_aligned, "_ZdaPvSt11align_val_t", (void *pointer, size_t alignment),    \
		(pointer, alignment))                                                          \
	X(delete_sized_aligned, "_ZdlPvmSt11align_val_t",                                      \
		(void *pointer, size_t size, size_t alignment), (pointer, size, alignment))    \
	X(delete_array_sized_aligned, "_ZdaPvmSt11align_val_t",                                \
		(void *pointer, size_t size, size_t alignment), (pointer, size, alignment))    \
	X(delete_aligned_nothrow, "_ZdlPvSt11align_val_tRKSt9nothrow_t",                       \
		(void *pointer, size_t alignment, const void *tag), (pointer, alignment, tag)) \
	X(delete_array_aligned_nothrow, "_ZdaPvSt11align_val_tRKSt9nothrow_t",                 \
		(void *pointer, size_t alignment, const void *tag), (pointer, alignment, tag))

static void find_all(const void *caller);

/* real_NAME is what the program would call without this library. Until the first call, it leads to
 * a function that looks for all. counted_NAME: what it allocates does not come to malloc. */
#define DECLARE_NEW(NAME, MANGLED, PARAMETERS, ARGUMENTS, TRIAL, RELEASE) \
	static void *first_##NAME PARAMETERS;                             \
	static void *(*real_##NAME)PARAMETERS = first_##NAME;             \
	static bool counted_##NAME;                                       \
	EXPORT void *operator_##NAME PARAMETERS __asm__(MANGLED);
NEWS(DECLARE_NEW)

#define DECLARE_DELETE(NAME, MANGLED, PARAMETERS, ARGUMENTS) \
	static void first_##NAME PARAMETERS;                 \
	static void(*real_##NAME) PARAMETERS = first_##NAME; \
	EXPORT void operator_##NAME PARAMETERS __asm__(MANGLED);
DELETES(DECLARE_DELETE)

/* ---- the operators ---------------------------------------------------------------------- */

#define DEFINE_NEW(NAME, MANGLED, PARAMETERS, ARGUMENTS, TRIAL, RELEASE) \
	static COLD void *NAME##_counted PARAMETERS                      \
	{                                                                \
		bool due = sampler_draw(size);                           \
		void *pointer = real_##NAME ARGUMENTS;                   \
                                                                         \
		if (due)                                                 \
			sampler_sample(pointer, size);                   \
		return pointer;                                          \
	}                                                                \
                                                                         \
	EXPORT void *operator_##NAME PARAMETERS                          \
	{                                                                \
		void *pointer;                                           \
                                                                         \
		if (!counted_##NAME || sampler_passes(size))             \
			return real_##NAME ARGUMENTS;                    \
		pointer = NAME##_counted ARGUMENTS;                      \
		KEEP_FRAME(pointer);                                     \
		return pointer;                                          \
	}                                                                \
                                                                         \
	static COLD void *first_##NAME PARAMETERS                        \
	{                                                                \
		find_all(__builtin_return_address(0));                   \
		return operator_##NAME ARGUMENTS;                        \
	}
NEWS(DEFINE_NEW)

#define DEFINE_DELETE(NAME, MANGLED, PARAMETERS, ARGUMENTS) \
	EXPORT void operator_##NAME PARAMETERS              \
	{                                                   \
		if (!LIKELY(!table_may_have(pointer)))      \
			sampler_take(pointer, false);       \
		real_##NAME ARGUMENTS;                      \
	}                                                   \
                                                            \
	static COLD void first_##NAME PARAMETERS            \
	{                                                   \
		find_all(__builtin_return_address(0));      \
		real_##NAME ARGUMENTS;                      \
	}
DELETES(DEFINE_DELETE)

/* ---- which they are --------------------------------------------------------------------- */

static void not_there(void)
{
	static const char line[] = "profd: no C++ library has the operator that was called\n";

	if (write(STDERR_FILENO, line, sizeof(line) - 1) > 0)
		abort();
	abort();
}

/* The definition that a program has without this library: the next in the order of the program, or
 * for what was loaded later and for itself, the caller's own or that of a library which the caller
 * brought along. NULL: there is none. */
static void *find(const char *name, void *callers)
{
	void *found = dlsym(RTLD_NEXT, name);

	return found || !callers ? found : dlsym(callers, name);
}

static const struct {
	void *real; /* the pointer to the function */
	const char *name;
} all[] = {
#define ROW(NAME, MANGLED, ...) {&real_##NAME, MANGLED},
	NEWS(ROW) DELETES(ROW)
#undef ROW
};

/* The library or program that an address lies in stays loaded from now on. NULL: it cannot be told.
 */
static void *open_object_of(const void *address)
{
	Dl_info info;

	return dladdr(address, &info) ? dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
}

/* Does an operator come to malloc? An allocator may go another way at its first time. */
#define TRY(NAME, MANGLED, PARAMETERS, ARGUMENTS, TRIAL, RELEASE)                 \
	for (int i = 0; i < 3 && (void *)real_##NAME != (void *)not_there; i++) { \
		sampler_was_called();                                             \
		void *pointer = real_##NAME TRIAL;                                \
                                                                                  \
		counted_##NAME = !sampler_was_called();                           \
		if (pointer)                                                      \
			RELEASE;                                                  \
	}

/* Of several threads at once, each finds the same. What is allocated to find them is not the
 * program's, and not counted. */
static void find_all(const void *caller)
{
	void (*const nowhere)(void) = not_there;
	int saved_errno = errno;
	bool watched = sampler_watch();
	void *callers = dlsym(RTLD_NEXT, all[0].name) ? NULL : open_object_of(caller);

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		void *found = find(all[i].name, callers);

		if (found)
			memcpy(all[i].real, &found, sizeof(found));
		else
			memcpy(all[i].real, &nowhere, sizeof(nowhere));
	}
	/* What could not be found is no error of the program. */
	dlerror();
	if (watched) {
		NEWS(TRY)
		sampler_unwatch();
	}
	errno = saved_errno;
}
