// SPDX-License-Identifier: MIT
#include "symbol_sources.h"

#include <stdio.h>

#include "symbolizer/protocol.h"

static uint32_t usable(uint32_t flags)
{
	return flags & SYMBOLIZER_LACKS_DWARF
		       ? flags & ~(uint32_t)(SYMBOLIZER_SEES_DWARF | SYMBOLIZER_SEES_DEBUG_DWARF)
		       : flags;
}

void symbol_sources_describe(uint32_t flags, const char *debug_file, char *out, size_t size)
{
	const char *debug = debug_file ? debug_file : "its debug file";

	flags = usable(flags);
	if (flags & SYMBOLIZER_SEES_GO_TABLE)
		snprintf(out, size, "its Go table (pclntab)");
	else if (flags & SYMBOLIZER_SEES_DEBUG_DWARF)
		snprintf(out, size, "DWARF in %s", debug);
	else if (flags & SYMBOLIZER_SEES_DWARF)
		snprintf(out, size, "its DWARF");
	else if (flags & SYMBOLIZER_SEES_DEBUG_SYMTAB)
		snprintf(out, size, ".symtab in %s", debug);
	else if (flags & SYMBOLIZER_SEES_SYMTAB)
		snprintf(out, size, "its .symtab");
	else if (flags & SYMBOLIZER_SEES_DEBUGDATA)
		snprintf(out, size, "its .gnu_debugdata");
	else if (flags & SYMBOLIZER_SEES_DYNSYM)
		snprintf(out, size, "its .dynsym, which has exported functions only");
	else
		snprintf(out, size, "nothing: it has no symbols at all");
}

bool symbol_sources_have_lines(uint32_t flags)
{
	return usable(flags) &
	       (SYMBOLIZER_SEES_DWARF | SYMBOLIZER_SEES_DEBUG_DWARF | SYMBOLIZER_SEES_GO_TABLE);
}

bool symbol_sources_are_in_debug_file(uint32_t flags)
{
	return flags & SYMBOLIZER_SEES_DEBUG_FILE &&
	       flags & (SYMBOLIZER_SEES_DEBUG_DWARF | SYMBOLIZER_SEES_DEBUG_SYMTAB);
}

const char *symbol_sources_trouble(uint32_t flags)
{
	if (flags & SYMBOLIZER_LACKS_DWARF)
		return "is broken, cut off or of another byte order";
	if (flags & SYMBOLIZER_SEES_DEBUG_FILE && !symbol_sources_are_in_debug_file(flags))
		return "has nothing to name with, and may be cut off";
	return NULL;
}
