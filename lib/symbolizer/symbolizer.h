/* SPDX-License-Identifier: MIT */
/*
 * symbolizer.h - the helper that names addresses: it parses ELF, DWARF and perf-maps, which
 * others wrote, in a sandbox of its own, for profd and for profctl.
 */
#ifndef PROFD_SYMBOLIZER_SYMBOLIZER_H
#define PROFD_SYMBOLIZER_SYMBOLIZER_H

/* main() of `profd --helper symbolizer MEMORY_LIMIT` and of profctl's: answers the requests of
 * protocol.h. memory_limit: bytes, as text. Returns the exit code. */
int symbolizer_main(const char *memory_limit);

#endif
