// SPDX-License-Identifier: MIT
/* The table of functions that a Go program's own runtime reads, and trees of inlined calls in it.
 */
#include "../unit/go_fixture.h"
#include "symbolizer/go_table.h"

#define FRAMES 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t length; /* of all that is said */

static void look_up(const struct go_table *t, uint64_t address)
{
	struct go_frame frames[FRAMES];
	size_t n = go_table_frames(t, address, frames, FRAMES);

	if (n > FRAMES)
		abort();
	for (size_t i = 0; i < n; i++) {
		length += strlen(frames[i].name);
		length += frames[i].file ? strlen(frames[i].file) : 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = go_file(data, size, size & 1 ? GO_RELOCATABLE : GO_FIXED);
	struct elf_file file;
	struct go_table t;

	if (!elf_file_open(&file, fd) && !go_table_open(&t, &file)) {
		for (uint64_t at = 0; at < 0x80; at++)
			look_up(&t, GO_CODE + at);
		look_up(&t, GO_CODE + UINT32_MAX);
		look_up(&t, 0);
		look_up(&t, UINT64_MAX);
	}
	elf_file_close(&file);
	close(fd);
	return 0;
}
