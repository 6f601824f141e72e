/* SPDX-License-Identifier: MIT */
/* raw_symbol.h - whose a raw symbol is, and names of C++ functions without template arguments, as
 * pprof shows them: they can be hundreds of bytes, and seldom tell what a function does. */
#ifndef PROFD_SYMBOLS_RAW_SYMBOL_H
#define PROFD_SYMBOLS_RAW_SYMBOL_H

#include <stdbool.h>

/* Whether a raw symbol is one of C++, Rust or D that has a readable name. */
bool is_mangled_symbol(const char *raw);
/* Whether a raw symbol is one of C++ (Itanium ABI), and not of Rust's older scheme, which looks
 * like it: "_ZN…17h<16 hex digits>E". */
bool is_cpp_symbol(const char *raw);
/* Takes the template arguments out of a demangled name, in place. operator<, operator-> and their
 * like stay whole; a name that does not balance is left as it is. */
void shorten_cpp_name(char *name);

#endif
