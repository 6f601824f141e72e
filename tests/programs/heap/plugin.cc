// SPDX-License-Identifier: MIT
/* plugin.cc - a library in C++ that is loaded by a program which is not (heap/loader). */
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>

#include "truth.h"

/* Counts what it allocates; what cannot be had must throw. */
extern "C" void use(int n, unsigned long long *bytes, unsigned long long *objects)
{
	size_t huge = PTRDIFF_MAX - 4096;
	bool thrown = false;

	for (int i = 0; i < n; i++) {
		std::string string(1000 + (size_t)i, 'x');
		char *array = new char[500];

		HIDE(array);
		*bytes += 1000 + (size_t)i + 1 + 500;
		*objects += 2;
		delete[] array;
	}
	mark(MARK_END);
	HIDE(huge);
	try {
		::operator delete(::operator new(huge));
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	MUST(thrown);
}
