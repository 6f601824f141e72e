/* SPDX-License-Identifier: MIT */
#include "symbolizer/debug_file.h"

#include <string.h>

#include "helper/protocol.h"
#include "util/cleanup.h"

static void to_hex(char *p, const uint8_t *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		*p++ = digits[bytes[i] >> 4];
		*p++ = digits[bytes[i] & 15];
	}
	*p = '\0';
}

void debug_file_build_id(const struct elf_file *f, char out[SYMBOLIZER_BUILD_ID])
{
	to_hex(out, f->build_id, f->build_id_size);
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
	char by_id[1 + SYMBOLIZER_BUILD_ID] = {HELPER_LACKED};
	uint32_t crc = 0;
	const char *link = elf_file_debuglink(of, &crc);

	debug_file_build_id(of, by_id + 1);
	const char *names[] = {by_id + 1, link, by_id[1] ? by_id : NULL};
	*debug = (struct debug_file){0};
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

bool debug_file_alternate(
	struct debug_file *debug, const struct elf_file *of, debug_want want, void *userdata)
{
	char by_id[1 + SYMBOLIZER_BUILD_ID] = {HELPER_LACKED};
	const char *name;
	const uint8_t *build_id;
	size_t size;

	*debug = (struct debug_file){0};
	if (!elf_file_alternate(of, &build_id, &size, &name))
		return false;
	to_hex(by_id + 1, build_id, size);
	const char *names[] = {by_id + 1, name, by_id};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		_cleanup_close_ int fd = want(userdata, names[i]);

		if (fd >= 0 && !elf_file_open(&debug->file, fd) &&
			debug->file.build_id_size == size &&
			!memcmp(debug->file.build_id, build_id, size))
			return true;
		debug_file_close(debug);
	}
	return false;
}

void debug_file_close(struct debug_file *debug)
{
	elf_file_close(&debug->file);
}
