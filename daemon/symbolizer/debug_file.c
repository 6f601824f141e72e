/* SPDX-License-Identifier: MIT */
#include "symbolizer/debug_file.h"

#include <string.h>

#include "util/cleanup.h"

void debug_file_build_id(const struct elf_file *f, char out[SYMBOLIZER_BUILD_ID])
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;

	for (size_t i = 0; i < f->build_id_size; i++) {
		*p++ = digits[f->build_id[i] >> 4];
		*p++ = digits[f->build_id[i] & 15];
	}
	*p = '\0';
}

/* By build-id where both have one, else by the CRC of the link (GDB's manual). */
static bool belongs(const struct debug_file *debug, const struct elf_file *of, const uint32_t *crc)
{
	if (of->build_id_size && debug->file.build_id_size)
		return of->build_id_size == debug->file.build_id_size &&
		       !memcmp(of->build_id, debug->file.build_id, of->build_id_size);
	return crc && elf_file_crc(&debug->file) == *crc;
}

bool debug_file_find(
	struct debug_file *debug, const struct elf_file *of, debug_want want, void *userdata)
{
	char build_id[SYMBOLIZER_BUILD_ID];
	uint32_t crc = 0;
	const char *link = elf_file_debuglink(of, &crc);
	const char *names[] = {build_id, link};

	*debug = (struct debug_file){0};
	debug_file_build_id(of, build_id);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!names[i] || !*names[i])
			continue;
		_cleanup_close_ int fd = want(userdata, names[i]);

		if (fd >= 0 && !elf_file_open(&debug->file, fd) &&
			belongs(debug, of, link ? &crc : NULL))
			return true;
		debug_file_close(debug);
	}
	return false;
}

void debug_file_close(struct debug_file *debug)
{
	elf_file_close(&debug->file);
}
