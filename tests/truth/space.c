// SPDX-License-Identifier: MIT
#include "space.h"

#include <elfutils/libdw.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/grow.h"

#define RSP 7
/* The one thread of each space. */
#define THREAD 1

/* ---- mappings ------------------------------------------------------------------------------- */

static int add_line(struct space *space, struct code_files *files, const char *line)
{
	struct mapping m = {0};
	const char *path, *slash;
	uint64_t inode;
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*x:%*x %" SCNu64 " %n", &m.start,
		    &m.end, &m.offset, &inode, &at) < 4 ||
		!at)
		return -EBADMSG;
	path = line + at;
	slash = strrchr(path, '/');
	m.name = strdup(slash ? slash + 1 : path);
	if (!m.name || grow(space->mappings, space->count, space->capacity, 1)) {
		free(m.name);
		return -ENOMEM;
	}
	if (*path == '/' || !strcmp(path, "[vdso]"))
		m.file = code_files_get(files, path, inode);
	if (m.file)
		m.bias = code_file_bias(m.file, m.start, m.offset);
	if (m.bias == UINT64_MAX)
		m.file = NULL;
	space->mappings[space->count++] = m;
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct mapping *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int read_lines(struct space *space, struct code_files *files, const char *maps, size_t size)
{
	_cleanup_free_ char *text = strndup(maps, size), *rest = text;

	if (!text)
		return -ENOMEM;
	for (char *line; (line = strsep(&rest, "\n"));) {
		int r = *line ? add_line(space, files, line) : 0;

		if (r)
			return r;
	}
	if (space->count)
		qsort(space->mappings, space->count, sizeof(*space->mappings), by_start);
	return 0;
}

const struct mapping *space_find(const struct space *space, uint64_t address)
{
	for (size_t i = 0; i < space->count; i++)
		if (address - space->mappings[i].start <
			space->mappings[i].end - space->mappings[i].start)
			return &space->mappings[i];
	return NULL;
}

const char *space_program(const struct space *space)
{
	for (size_t i = 0; i < space->count; i++)
		if (*space->mappings[i].name && *space->mappings[i].name != '[')
			return space->mappings[i].name;
	return "[unknown]";
}

/* ---- libdwfl: modules, a thread, its registers and memory -------------------------------------
 */

static int no_debuginfo(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
	const char *file, const char *link, GElf_Word crc, char **found)
{
	return -1;
}

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread)
{
	bool first = !*thread;

	*thread = arg;
	return first ? THREAD : 0;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread)
{
	*thread = arg;
	return tid == THREAD;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *word, void *arg)
{
	struct dump *dump = arg;
	const struct capture_sample *s = &dump->record->sample;
	uint64_t offset = address - s->registers[RSP];

	if (address < s->registers[RSP]) {
		dump->below = true;
		return false;
	}
	if (offset + sizeof(*word) > s->stack_size) {
		dump->ended = true;
		return false;
	}
	memcpy(word, dump->record->stack + offset, sizeof(*word));
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	struct dump *dump = arg;

	return dwfl_thread_state_registers(
		thread, 0, CAPTURE_REGISTERS, dump->record->sample.registers);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = read_memory,
	.set_initial_registers = set_registers,
};

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = no_debuginfo,
};

/* libdwfl takes a file once only. A later mapping with another bias is a copy of its code: V8 makes
 * one of its builtins. */
static bool reported(const struct space *space, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (space->mappings[j].file == space->mappings[i].file)
			return true;
	return false;
}

static int report_modules(struct space *space)
{
	space->dwfl = dwfl_begin(&callbacks);
	if (!space->dwfl)
		return -ENOMEM;
	dwfl_report_begin(space->dwfl);
	for (size_t i = 0; i < space->count; i++) {
		const struct mapping *m = &space->mappings[i];
		int fd;

		if (!m->file || reported(space, i))
			continue;
		/* On success the descriptor is libdwfl's. A module that overlaps another one is not
		 * taken; then there is no CFI for it. */
		fd = dup(m->file->fd);
		if (!dwfl_report_elf(space->dwfl, m->name, m->file->path, fd, m->bias, true))
			close_fd(fd);
	}
	dwfl_report_end(space->dwfl, NULL, NULL);
	dwfl_attach_state(space->dwfl, NULL, THREAD, &thread_callbacks, &space->dump);
	return 0;
}

int space_new(struct space **made, struct code_files *files, const char *maps, size_t size)
{
	struct space *space = calloc(1, sizeof(*space));
	int r = space ? read_lines(space, files, maps, size) : -ENOMEM;

	if (!r)
		r = report_modules(space);
	if (r) {
		space_free(space);
		return r;
	}
	*made = space;
	return 0;
}

void space_free(struct space *space)
{
	if (!space)
		return;
	if (space->dwfl)
		dwfl_end(space->dwfl);
	for (size_t i = 0; i < space->count; i++)
		free(space->mappings[i].name);
	free(space->mappings);
	free(space);
}

/* As libdwfl looks for it: in .eh_frame, and then in .debug_frame. */
static Dwarf_Frame *frame_of(Dwfl_Module *module, uint64_t address)
{
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr bias;
	Dwarf_CFI *cfi = dwfl_module_eh_cfi(module, &bias);

	if (cfi && !dwarf_cfi_addrframe(cfi, address - bias, &frame))
		return frame;
	cfi = dwfl_module_dwarf_cfi(module, &bias);
	return cfi && !dwarf_cfi_addrframe(cfi, address - bias, &frame) ? frame : NULL;
}

enum cfi_kind space_cfi(const struct space *space, uint64_t address)
{
	Dwfl_Module *module = dwfl_addrmodule(space->dwfl, address);
	_cleanup_free_ Dwarf_Frame *frame = module ? frame_of(module, address) : NULL;
	Dwarf_Addr start, end;
	Dwarf_Op memory[3], *ops;
	bool signal = false;
	size_t n;
	int ra;

	if (!frame)
		return CFI_NONE;
	ra = dwarf_frame_info(frame, &start, &end, &signal);
	/* No operations, but a place for them: not the same, but undefined. */
	if (!dwarf_frame_register(frame, ra, memory, &ops, &n) && !n && ops)
		return CFI_ROOT;
	return signal ? CFI_SIGNAL : CFI_NORMAL;
}

struct walker {
	struct space *space;
	struct walk *walk;
};

static int take_frame(Dwfl_Frame *frame, void *arg)
{
	struct walker *walker = arg;
	struct walk *walk = walker->walk;
	Dwarf_Addr pc;

	/* It is the way to the last frame's caller that counts. */
	walker->space->dump.ended = false;
	if (!dwfl_frame_pc(frame, &pc, NULL))
		return -1;
	if (walk->count == WALK_FRAMES) {
		walk->end = WALK_LIMIT;
		return DWARF_CB_ABORT;
	}
	walk->frames[walk->count++] = pc;
	return DWARF_CB_OK;
}

static bool at_root(const struct space *space, const struct walk *walk)
{
	size_t n = walk->count;

	return n && space_cfi(space, walk->frames[n - 1] - (n > 1)) == CFI_ROOT;
}

void space_walk(struct space *space, const struct capture_record *sample, struct walk *walk)
{
	struct walker walker = {space, walk};
	int r;

	walk->count = 0;
	walk->end = WALK_FAILED;
	space->dump = (struct dump){.record = sample};
	r = dwfl_getthread_frames(space->dwfl, THREAD, take_frame, &walker);
	/* libdwfl takes a return address that it cannot read for one that is not defined. */
	if (space->dump.ended || (space->dump.below && !at_root(space, walk)))
		walk->end = WALK_DUMP;
	else if (!r)
		walk->end = WALK_ROOT;
}
