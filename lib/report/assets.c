// SPDX-License-Identifier: MIT
/* assets.c - takes files in whole, each with a NUL behind it. Paths are those of the build's root;
 * the Makefile says that this file depends on them. */
#include "report/assets.h"

/* The string is the assembler's. */
#define ASSET(name, path)                                \
	__asm__(".section .rodata\n"                     \
		".global " #name "\n"                    \
		".type " #name ", %object\n" #name ":\n" \
		".incbin \"lib/report/" path "\"\n"      \
		".byte 0\n"                              \
		".size " #name ", . - " #name "\n"       \
		".previous\n")

ASSET(ASSET_FLAME_JS, "flame.js");
ASSET(ASSET_FLAME_SVG_JS, "flame_svg.js");
ASSET(ASSET_FLAME_SVG_CSS, "flame_svg.css");
ASSET(ASSET_FLAME_PAGE_JS, "flame_page.js");
ASSET(ASSET_FLAME_PAGE_CSS, "flame_page.css");
ASSET(ASSET_FLAME_PAGE_HTML, "flame_page.html");
