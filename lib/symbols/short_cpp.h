/* SPDX-License-Identifier: MIT */
/* short_cpp.h - names of C++ functions without template arguments, as pprof shows them: they can
 * be hundreds of bytes, and seldom tell what a function does. */
#ifndef PROFD_SYMBOLS_SHORT_CPP_H
#define PROFD_SYMBOLS_SHORT_CPP_H

#include <stdbool.h>

/* Whether a raw symbol is one of C++ (Itanium ABI), and not of Rust's older scheme, which looks
 * like it: "_ZN…17h<16 hex digits>E". */
bool is_cpp_symbol(const char *raw);
/* Takes the template arguments out of a demangled name, in place. operator<, operator-> and their
 * like stay whole; a name that does not balance is left as it is. */
void shorten_cpp_name(char *name);

#endif
