// SPDX-License-Identifier: MIT
/*
 * Sources: malloc(3), posix_memalign(3), C23 7.24.3 (free_sized); Itanium C++ ABI 5.1 (mangling);
 * manuals and headers of jemalloc 5.3 (mallocx and its like; prefixes), gperftools 2.10
 * (gperftools/tcmalloc.h) and mimalloc 2.0 (mimalloc.h).
 */
#include "sites/functions.h"

#include <string.h>

/* What may be in front of a name. */
enum {
	PLAIN = 1,
	JE = 2, /* je_, and _rjem_, which Rust's crate has */
	TC = 4,
	MI = 8,
	WRAPS = 16, /* see struct known_function */
	THROWS = 32,
};

static const struct {
	char text[8];
	unsigned bit;
} prefixes[] = {{"je_", JE}, {"_rjem_", JE}, {"tc_", TC}, {"mi_", MI}, {"", PLAIN}};

/* mimalloc's functions for a heap of the caller's are not there: they have it as one more argument
 * in front. */
static const struct {
	const char *name;
	enum heap_function function;
	unsigned flags;
} functions[] = {
	{"malloc", HEAP_MALLOC, PLAIN | JE | TC | MI},
	{"calloc", HEAP_CALLOC, PLAIN | JE | TC | MI},
	{"realloc", HEAP_REALLOC, PLAIN | JE | TC | MI},
	{"free", HEAP_FREE, PLAIN | JE | TC | MI},
	{"posix_memalign", HEAP_POSIX_MEMALIGN, PLAIN | JE | TC | MI},
	{"aligned_alloc", HEAP_ALIGNED, PLAIN | JE | MI},
	{"memalign", HEAP_ALIGNED, PLAIN | JE | TC | MI},
	{"valloc", HEAP_MALLOC, PLAIN | JE | TC | MI},
	{"pvalloc", HEAP_MALLOC, PLAIN | JE | TC | MI},
	{"reallocarray", HEAP_REALLOCARRAY, PLAIN | JE | MI | WRAPS},
	{"reallocf", HEAP_REALLOC, PLAIN | MI},
	{"cfree", HEAP_FREE, PLAIN | TC | MI},
	{"free_sized", HEAP_FREE, PLAIN | TC},
	{"free_aligned_sized", HEAP_FREE, PLAIN},

	{"mallocx", HEAP_MALLOC, PLAIN | JE},
	{"rallocx", HEAP_REALLOC, PLAIN | JE},
	{"dallocx", HEAP_FREE, PLAIN | JE},
	{"sdallocx", HEAP_FREE, PLAIN | JE},

	{"malloc_skip_new_handler", HEAP_MALLOC, TC},
	{"new", HEAP_MALLOC, TC | MI | WRAPS | THROWS},
	{"new_nothrow", HEAP_MALLOC, TC | MI | WRAPS},
	{"new_aligned", HEAP_MALLOC, TC | MI | WRAPS | THROWS},
	{"new_aligned_nothrow", HEAP_MALLOC, TC | MI | WRAPS},
	{"newarray", HEAP_MALLOC, TC | WRAPS | THROWS},
	{"newarray_nothrow", HEAP_MALLOC, TC | WRAPS},
	{"newarray_aligned", HEAP_MALLOC, TC | WRAPS | THROWS},
	{"newarray_aligned_nothrow", HEAP_MALLOC, TC | WRAPS},
	{"delete", HEAP_FREE, TC | WRAPS},
	{"delete_sized", HEAP_FREE, TC | WRAPS},
	{"delete_nothrow", HEAP_FREE, TC | WRAPS},
	{"delete_aligned", HEAP_FREE, TC | WRAPS},
	{"delete_sized_aligned", HEAP_FREE, TC | WRAPS},
	{"delete_aligned_nothrow", HEAP_FREE, TC | WRAPS},
	{"deletearray", HEAP_FREE, TC | WRAPS},
	{"deletearray_sized", HEAP_FREE, TC | WRAPS},
	{"deletearray_nothrow", HEAP_FREE, TC | WRAPS},
	{"deletearray_aligned", HEAP_FREE, TC | WRAPS},
	{"deletearray_sized_aligned", HEAP_FREE, TC | WRAPS},
	{"deletearray_aligned_nothrow", HEAP_FREE, TC | WRAPS},

	{"zalloc", HEAP_MALLOC, MI},
	{"malloc_small", HEAP_MALLOC, MI},
	{"zalloc_small", HEAP_MALLOC, MI},
	{"malloc_aligned", HEAP_MALLOC, MI},
	{"malloc_aligned_at", HEAP_MALLOC, MI},
	{"zalloc_aligned", HEAP_MALLOC, MI},
	{"zalloc_aligned_at", HEAP_MALLOC, MI},
	{"mallocn", HEAP_CALLOC, MI},
	{"new_n", HEAP_CALLOC, MI | WRAPS | THROWS},
	{"calloc_aligned", HEAP_CALLOC, MI},
	{"calloc_aligned_at", HEAP_CALLOC, MI},
	{"rezalloc", HEAP_REALLOC, MI},
	{"realloc_aligned", HEAP_REALLOC, MI},
	{"realloc_aligned_at", HEAP_REALLOC, MI},
	{"rezalloc_aligned", HEAP_REALLOC, MI},
	{"rezalloc_aligned_at", HEAP_REALLOC, MI},
	{"new_realloc", HEAP_REALLOC, MI | WRAPS | THROWS},
	{"reallocn", HEAP_REALLOCARRAY, MI},
	{"recalloc", HEAP_REALLOCARRAY, MI},
	{"recalloc_aligned", HEAP_REALLOCARRAY, MI},
	{"recalloc_aligned_at", HEAP_REALLOCARRAY, MI},
	{"new_reallocn", HEAP_REALLOCARRAY, MI | WRAPS | THROWS},
	{"free_size", HEAP_FREE, MI},
	{"free_aligned", HEAP_FREE, MI},
	{"free_size_aligned", HEAP_FREE, MI},

	{"_Znwm", HEAP_MALLOC, PLAIN | WRAPS | THROWS},
	{"_Znam", HEAP_MALLOC, PLAIN | WRAPS | THROWS},
	{"_ZnwmRKSt9nothrow_t", HEAP_MALLOC, PLAIN | WRAPS},
	{"_ZnamRKSt9nothrow_t", HEAP_MALLOC, PLAIN | WRAPS},
	{"_ZnwmSt11align_val_t", HEAP_MALLOC, PLAIN | WRAPS | THROWS},
	{"_ZnamSt11align_val_t", HEAP_MALLOC, PLAIN | WRAPS | THROWS},
	{"_ZnwmSt11align_val_tRKSt9nothrow_t", HEAP_MALLOC, PLAIN | WRAPS},
	{"_ZnamSt11align_val_tRKSt9nothrow_t", HEAP_MALLOC, PLAIN | WRAPS},
	{"_ZdlPv", HEAP_FREE, PLAIN | WRAPS},
	{"_ZdaPv", HEAP_FREE, PLAIN | WRAPS},
	{"_ZdlPvm", HEAP_FREE, PLAIN | WRAPS},
	{"_ZdaPvm", HEAP_FREE, PLAIN | WRAPS},
	{"_ZdlPvRKSt9nothrow_t", HEAP_FREE, PLAIN | WRAPS},
	{"_ZdaPvRKSt9nothrow_t", HEAP_FREE, PLAIN | WRAPS},
	{"_ZdlPvSt11align_val_t", HEAP_FREE, PLAIN | WRAPS},
	{"_ZdaPvSt11align_val_t", HEAP_FREE, PLAIN | WRAPS},
	{"_ZdlPvmSt11align_val_t", HEAP_FREE, PLAIN | WRAPS},
	{"_ZdaPvmSt11align_val_t", HEAP_FREE, PLAIN | WRAPS},
	{"_ZdlPvSt11align_val_tRKSt9nothrow_t", HEAP_FREE, PLAIN | WRAPS},
	{"_ZdaPvSt11align_val_tRKSt9nothrow_t", HEAP_FREE, PLAIN | WRAPS},
};

static bool find(const char *name, unsigned prefix, struct known_function *known)
{
	for (unsigned i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		if (!(functions[i].flags & prefix) || strcmp(functions[i].name, name) != 0)
			continue;
		/* A plain name before one with a prefix. */
		*known = (struct known_function){
			.function = functions[i].function,
			.wraps = functions[i].flags & WRAPS,
			.throws = functions[i].flags & THROWS,
			.rank = 2 * i + (prefix != PLAIN),
		};
		return true;
	}
	return false;
}

/* Most symbols of a large program end here. */
static bool may_be_known(const char *name)
{
	if (*name == '_')
		return !strncmp(name, "_Zn", 3) || !strncmp(name, "_Zd", 3) ||
		       !strncmp(name, "_rjem_", 6);
	return *name && strchr("acdfjmprstv", *name);
}

bool functions_know(const char *name, struct known_function *known)
{
	if (!may_be_known(name))
		return false;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		size_t length = strlen(prefixes[i].text);

		if (!strncmp(name, prefixes[i].text, length) &&
			find(name + length, prefixes[i].bit, known))
			return true;
	}
	return false;
}

enum heap_allocator functions_allocator(const char *name)
{
	/* Unless it is said, they are in dynamic symbol tables and in others. */
	static const struct {
		char name[32];
		enum heap_allocator allocator;
	} marks[] = {
		{"malloc_info", HEAP_GLIBC}, /* no other one has that; __libc_malloc many have */
		{"__dls3", HEAP_MUSL},	     /* libc.so, which is the dynamic linker */
		{"__libc_malloc_impl", HEAP_MUSL}, /* libc.a */
		{"mallctl", HEAP_JEMALLOC},
		{"je_mallctl", HEAP_JEMALLOC},
		{"_rjem_mallctl", HEAP_JEMALLOC},
		{"tc_malloc", HEAP_TCMALLOC},		   /* gperftools */
		{"TCMallocInternalMalloc", HEAP_TCMALLOC}, /* google/tcmalloc */
		{"mi_malloc", HEAP_MIMALLOC},
	};

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		if (!strcmp(marks[i].name, name))
			return marks[i].allocator;
	return HEAP_UNKNOWN;
}

bool functions_loader(const char *name)
{
	return !strcmp(name, "_rtld_global");
}

/* _ZSt, a length, and "__throw_": std::__throw_bad_alloc() and its like. */
static bool throws_always(const char *name)
{
	static const char std[] = "_ZSt", throw[] = "__throw_";

	if (strncmp(name, std, sizeof(std) - 1) != 0)
		return false;
	name += sizeof(std) - 1;
	name += strspn(name, "0123456789");
	return !strncmp(name, throw, sizeof(throw) - 1);
}

bool functions_never_return(const char *name)
{
	static const char names[][36] = {
		"abort",
		"exit",
		"_exit",
		"_Exit",
		"quick_exit",
		"longjmp",
		"_longjmp",
		"siglongjmp",
		"__longjmp_chk",
		"__assert_fail",
		"__chk_fail",
		"__fortify_fail",
		"__stack_chk_fail",
		"__stack_chk_fail_local",
		"_Unwind_Resume",
		"__cxa_throw",
		"__cxa_rethrow",
		"__cxa_bad_cast",
		"__cxa_bad_typeid",
		"__cxa_throw_bad_array_length",
		"__cxa_throw_bad_array_new_length",
		"__cxa_pure_virtual",
		"__cxa_call_unexpected",
		"__cxa_call_terminate",
		"__clang_call_terminate",
		"_ZSt9terminatev",
	};

	if (*name != '_' && !strchr("aelqs", *name))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i], name))
			return true;
	return throws_always(name);
}
