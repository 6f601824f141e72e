/* SPDX-License-Identifier: MIT */
/*
 * demangle.h - the names that people wrote, from the names that linkers use: C++ (Itanium ABI),
 * Rust (legacy and v0), D, and without what compilers append to clones (`.constprop.0`, `.isra.0`,
 * `.part.1`, `.cold`, `.llvm.123`). C++ names keep template arguments and lose parameter lists;
 * Rust names lose their hash. Anything else, such as Go's names, is left as it is.
 */
#ifndef PROFD_SYMBOLIZER_DEMANGLE_H
#define PROFD_SYMBOLIZER_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

struct demangled {
	char *text; /* owned */
	size_t length, capacity;
	bool failed;
};

/* True if the name is another than `raw`: free it with demangled_free. False: `raw` is the name
 * (also when memory runs out). A result is at most SYMBOLIZER_MAX_NAME bytes, the rest is cut. */
bool demangle(struct demangled *out, const char *raw);
/* The same with parameters, and with what the compiler did to clones: as c++filt shows it. */
bool demangle_whole(struct demangled *out, const char *raw);
void demangled_free(struct demangled *name);

#endif
