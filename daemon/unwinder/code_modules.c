// SPDX-License-Identifier: MIT
#include "unwinder/code_modules.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <utlist.h>

#include "collector/unwinder_answer.h"
#include "util/cleanup.h"

/* ---- one module --------------------------------------------------------------------------- */

static void close_module(struct code_module *m)
{
	unwind_module_close(m->compiler);
	debug_file_close(&m->debug);
	elf_file_close(&m->file);
	close_fd(m->fd);
	free(m);
}

/* Segments and pages of the code. */
static int describe(struct code_module *m, const struct cfi_source *source)
{
	struct unwinder_layout *layout = &m->layout;
	const uint64_t mask = UNWIND_PAGE_SIZE - 1;
	size_t size;
	const uint8_t *image = (const uint8_t *)elf_rawfile(m->file.elf, &size);

	m->has_cfi = source->n_frames > 0;
	*layout = (struct unwinder_layout){
		.low = source->code[0].start & ~mask,
		.has_rules = unwind_module_has_rules(m->compiler),
		.n_segments = (uint32_t)source->n_code,
	};
	for (size_t i = 0; i < source->n_code; i++) {
		const struct cfi_code *code = &source->code[i];

		layout->segments[i] = (struct unwinder_segment){
			.vaddr = code->start,
			.offset = (uint64_t)(code->bytes - image),
			.size = code->end - code->start,
		};
	}
	layout->n_pages = (uint32_t)((source->code[source->n_code - 1].end - layout->low + mask) >>
				     UNWIND_PAGE_SHIFT);
	return unwinder_layout_is_good(layout) ? 0 : -ENOEXEC;
}

static int read_module(struct code_modules *c, struct code_module *m)
{
	struct cfi_source source;
	int r = elf_file_open(&m->file, m->fd);

	if (r)
		return r;
	if (cfi_source_read(&source, &m->file))
		return -ENOTSUP; /* it is ELF, but of another size or byte order */
	if (!source.n_frames && debug_file_find(&m->debug, &m->file, c->want, c->userdata))
		cfi_source_add_debug(&source, &m->debug.file);
	r = unwind_module_open(&m->compiler, &source);
	return r ? r : describe(m, &source);
}

static int open_module(struct code_modules *c, const struct file_identity *identity, int *fd,
	struct code_module **out)
{
	struct code_module *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->identity = *identity;
	m->fd = *fd;
	r = read_module(c, m);
	if (r) {
		m->fd = -1; /* still the caller's */
		close_module(m);
		return r;
	}
	*fd = -1;
	*out = m;
	return 0;
}

/* ---- all of them -------------------------------------------------------------------------- */

static void drop(struct code_modules *c, struct code_module *m)
{
	DL_DELETE(c->by_use, m);
	c->n--;
	close_module(m);
}

/* Closes the least recently used one, unless that is `keep`. False: there is none. */
static bool close_oldest(struct code_modules *c, const struct code_module *keep)
{
	struct code_module *oldest = c->by_use ? c->by_use->prev : NULL;

	if (!oldest || oldest == keep)
		return false;
	drop(c, oldest);
	return true;
}

/* Scanned indexes and inflated sections are nearly all that it has on the heap. */
static bool too_much(const struct code_modules *c)
{
	struct mallinfo2 info = mallinfo2();

	return c->n > CODE_MODULES_MAX || info.uordblks + info.hblkhd > c->heap_limit;
}

static void limit(struct code_modules *c, const struct code_module *keep)
{
	while (too_much(c) && close_oldest(c, keep))
		;
}

static struct code_module *find(const struct code_modules *c, const struct file_identity *identity)
{
	struct code_module *m;

	DL_FOREACH (c->by_use, m)
		if (file_identity_equal(&m->identity, identity))
			return m;
	return NULL;
}

int code_modules_get(struct code_modules *c, const struct file_identity *identity, int *fd,
	struct code_module **out)
{
	struct code_module *m = find(c, identity);
	int r = 0;

	if (m && m->compiled >= CODE_MODULES_PAGES) {
		drop(c, m);
		m = NULL;
	}
	if (m) {
		DL_DELETE(c->by_use, m);
	} else {
		do
			r = open_module(c, identity, fd, &m);
		while (r == -ENOMEM && close_oldest(c, NULL));
		if (r)
			return r;
		c->n++;
	}
	DL_PREPEND(c->by_use, m);
	limit(c, m);
	*out = m;
	return 0;
}

void code_modules_close(struct code_modules *c)
{
	while (close_oldest(c, NULL))
		;
}

int code_modules_compile(struct code_modules *c, struct code_module *m, uint32_t page,
	uint32_t words[UNWIND_PAGE_WORDS])
{
	int r;

	do
		r = unwind_module_compile(
			m->compiler, m->layout.low + (uint64_t)page * UNWIND_PAGE_SIZE, words);
	while (r == -ENOMEM && close_oldest(c, m));
	m->compiled++;
	limit(c, m);
	return r;
}
