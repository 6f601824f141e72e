/* SPDX-License-Identifier: MIT */
#include "collector/publish.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/publish_impl.h"
#include "collector/symbols.h"
#include "util/cleanup.h"

#define NS_PER_SECOND 1000000000LL
/* Kernel text, modules and BPF programs all lie in the upper half. One mapping whose start does
 * not depend on the boot, so that profiles of several boots merge. */
#define KERNEL_START 0xffff800000000000ULL

static void finish(struct publication *p, uint64_t samples)
{
	struct profile *profile = p->error ? NULL : take_ptr(p->profile);

	if (p->done)
		p->done(p->userdata, p->error, profile, samples);
	profile_free(p->profile);
	window_unref(p->window);
	heap_moment_free(p->moment);
	free(p->order);
	free(p->location_of);
	free(p->groups);
	free(p);
}

int publication_keep_error(struct publication *p, int64_t r)
{
	if (r < 0 && !p->error)
		p->error = (int)r;
	return p->error;
}

/* ---- names -------------------------------------------------------------------------------- */

uint32_t publication_text(struct publication *p, const char *s)
{
	int64_t id = profile_string(p->profile, s);

	publication_keep_error(p, id);
	return id < 0 ? 0 : (uint32_t)id;
}

/* The name that mapping and unnamed frames go by, without what the kernel appends. */
static void module_name(const struct module *m, char *out, size_t size)
{
	static const char deleted[] = " (deleted)";
	const char *path = m->path && *m->path ? m->path : "//anon";
	size_t n = strlen(path), d = strlen(deleted);

	switch (m->kind) {
	case MODULE_KERNEL:
		path = "[kernel.kallsyms]";
		n = strlen(path);
		break;
	case MODULE_PERF_MAP:
	case MODULE_ANON:
		path = "//anon";
		n = strlen(path);
		break;
	case MODULE_VDSO:
		path = "[vdso]";
		n = strlen(path);
		break;
	case MODULE_FILE:
		if (n > d && !strcmp(path + n - d, deleted))
			n -= d;
		break;
	}
	snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), path);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

uint32_t publication_pseudo_location(
	struct publication *p, uint32_t mapping, uint64_t address, const char *name)
{
	struct function function = {.name = publication_text(p, name)};
	struct line line = {0};
	int64_t id = profile_add_function(p->profile, &function);

	if (publication_keep_error(p, id))
		return 0;
	line.function = (uint32_t)id;
	id = profile_add_location(
		p->profile, &(struct location){.address = address, .mapping = mapping}, &line, 1);
	return publication_keep_error(p, id) ? 0 : (uint32_t)id;
}

static uint32_t unnamed_location(
	struct publication *p, const struct module *m, uint32_t mapping, uint64_t address)
{
	char path[4096], name[4200];

	if (!m)
		return publication_pseudo_location(p, mapping, address, "[unknown]");
	if (m->kind == MODULE_PERF_MAP || m->kind == MODULE_ANON)
		return publication_pseudo_location(p, mapping, address, "[anon]");
	module_name(m, path, sizeof(path));
	snprintf(name, sizeof(name), "[%s+0x%" PRIx64 "]",
		m->kind == MODULE_KERNEL ? "kernel"
		: m->kind == MODULE_VDSO ? "vdso"
					 : base_name(path),
		address);
	return publication_pseudo_location(p, mapping, address, name);
}

/* ---- one module --------------------------------------------------------------------------- */

/* Which part of the module the address is in, as pprof mapping: canonical, so that one mapping
 * serves all processes and lld's layouts resolve. */
static uint32_t mapping_for(struct publication *p, const struct module *m,
	const struct symbols *symbols, uint64_t vaddr)
{
	char path[4096];
	struct mapping mapping = {
		.has_functions = true,
		.has_filenames = symbols->has_files,
		.has_line_numbers = symbols->has_lines,
		.has_inline_frames = symbols->has_inlines,
		.limit = UINT64_MAX,
	};
	int64_t id;

	if (m->kind == MODULE_KERNEL)
		mapping.start = KERNEL_START;
	else if (m->kind == MODULE_FILE && m->size > 0)
		mapping.limit = (uint64_t)m->size;
	for (size_t i = 0; i < symbols->n_segments; i++) {
		const struct symbol_segment *s = &symbols->segments[i];

		if (vaddr >= s->vaddr && vaddr - s->vaddr < s->memsz) {
			mapping.start = s->vaddr;
			mapping.limit = s->vaddr + s->memsz;
			mapping.offset = s->offset;
		}
	}
	module_name(m, path, sizeof(path));
	mapping.file = publication_text(p, path);
	mapping.build_id = publication_text(p, symbols->build_id);
	id = profile_add_mapping(p->profile, &mapping);
	return publication_keep_error(p, id) ? 0 : (uint32_t)id;
}

static uint32_t named_location(struct publication *p, const struct symbols *symbols,
	const struct symbol_address *address, uint32_t mapping, uint32_t *functions)
{
	_cleanup_free_ struct line *lines = calloc(address->count, sizeof(*lines));
	int64_t id;

	if (!lines) {
		publication_keep_error(p, -ENOMEM);
		return 0;
	}
	for (uint32_t i = 0; i < address->count; i++) {
		const struct symbol_line *from = &symbols->lines[address->first + i];
		const struct symbol_function *f = &symbols->functions[from->function];

		if (!functions[from->function]) {
			id = profile_add_function(p->profile,
				&(struct function){
					.name = publication_text(p, f->name),
					.system_name = publication_text(p, f->system_name),
					.filename = publication_text(p, f->file),
					.start_line = f->start_line,
				});
			if (publication_keep_error(p, id))
				return 0;
			functions[from->function] = (uint32_t)id;
		}
		lines[i] = (struct line){
			.function = functions[from->function],
			.line = from->line,
		};
	}
	id = profile_add_location(p->profile,
		&(struct location){.address = address->vaddr, .mapping = mapping}, lines,
		address->count);
	return publication_keep_error(p, id) ? 0 : (uint32_t)id;
}

static void advance(struct publication *p);

/* A module's error costs its names only: its frames become [module+0x…]. */
static void module_done(
	void *userdata, struct module *module, int error, const struct symbols *symbols)
{
	struct publication *p = userdata;
	const struct group *g = &p->groups[p->next - 1];
	_cleanup_free_ uint32_t *functions = calloc(symbols->n_functions + 1, sizeof(*functions));

	if (!functions || !symbols->addresses)
		publication_keep_error(p, -ENOMEM);
	for (size_t i = 0; i < g->n && !p->error; i++) {
		const struct symbol_address *a = &symbols->addresses[i];
		uint32_t mapping = mapping_for(p, module, symbols, a->vaddr);

		p->location_of[p->order[g->first + i]] = a->count ? named_location(p, symbols, a,
									    mapping, functions)
								  : unnamed_location(p, module,
									    mapping, a->vaddr);
	}
	if (error == -ECANCELED)
		publication_keep_error(p, error);
	p->busy = false;
	if (!p->advancing)
		advance(p);
}

static int ask(struct publication *p, const struct group *g)
{
	_cleanup_free_ uint64_t *offsets = calloc(g->n, sizeof(*offsets));

	if (!offsets)
		return -ENOMEM;
	for (size_t i = 0; i < g->n; i++)
		offsets[i] = window_frame(p->window, p->order[g->first + i])->offset;
	return symbolizer_resolve_until(
		p->symbolizer, g->module, offsets, g->n, p->until, module_done, p);
}

static void advance(struct publication *p)
{
	p->advancing = true;
	while (!p->busy && !p->error && p->next < p->n_groups) {
		const struct group *g = &p->groups[p->next++];

		if (!g->module) {
			for (size_t i = 0; i < g->n; i++) {
				uint32_t id = p->order[g->first + i];

				p->location_of[id] = unnamed_location(
					p, NULL, 0, window_frame(p->window, id)->offset);
			}
			continue;
		}
		p->busy = true;
		int r = ask(p, g);
		if (r) {
			p->busy = false;
			publication_keep_error(p, r);
		}
	}
	p->advancing = false;
	if (!p->busy)
		finish(p, publication_add_samples(p));
}

/* ---- beginning ---------------------------------------------------------------------------- */

static int compare_frames(const void *a, const void *b, void *window)
{
	const struct window_frame *x = window_frame(window, *(const uint32_t *)a);
	const struct window_frame *y = window_frame(window, *(const uint32_t *)b);

	if (x->module != y->module)
		return (uintptr_t)x->module < (uintptr_t)y->module ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

static int group_frames(struct publication *p)
{
	p->order = calloc(p->n_frames + 1, sizeof(*p->order));
	p->location_of = calloc(p->n_frames + 1, sizeof(*p->location_of));
	p->groups = calloc(p->n_frames + 1, sizeof(*p->groups));
	if (!p->order || !p->location_of || !p->groups)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_frames; i++)
		p->order[i] = (uint32_t)i + 1;
	qsort_r(p->order, p->n_frames, sizeof(*p->order), compare_frames, p->window);
	for (size_t i = 0; i < p->n_frames; i++) {
		struct module *m = window_frame(p->window, p->order[i])->module;

		if (!p->n_groups || p->groups[p->n_groups - 1].module != m)
			p->groups[p->n_groups++] = (struct group){.module = m, .first = i};
		p->groups[p->n_groups - 1].n++;
	}
	return 0;
}

static int compare_groups(const void *key, const void *group)
{
	const struct module *x = key, *y = ((const struct group *)group)->module;

	return ((uintptr_t)x > (uintptr_t)y) - ((uintptr_t)x < (uintptr_t)y);
}

/* Tools show the first mapping as "File:": let it be the executable that was busiest. */
static int busiest_first(struct publication *p)
{
	_cleanup_free_ uint64_t *counts = calloc(p->n_groups + 1, sizeof(*counts));
	size_t best = 0;

	if (!counts)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_stacks; i++) {
		const struct window_stack *s = window_stack(p->window, i);
		struct module *exe = s->process ? process_exe_module(s->process) : NULL;
		const struct group *g = exe ? bsearch(exe, p->groups, p->n_groups,
						      sizeof(*p->groups), compare_groups)
					    : NULL;
		if (g)
			counts[g - p->groups] += s->count;
	}
	for (size_t i = 1; i < p->n_groups; i++)
		if (counts[i] > counts[best])
			best = i;
	if (best) {
		struct group first = p->groups[0];

		p->groups[0] = p->groups[best];
		p->groups[best] = first;
	}
	return 0;
}

/* Types and units are Go's own. Those of a heap from IN_USE on are what is in use. */
#define IN_USE 2
static const struct {
	const char *period_type, *period_unit;
	const char *values[MAX_VALUES][2];
} kinds[SESSION_TYPES] = {
	[SESSION_CPU] = {"cpu", "nanoseconds", {{"samples", "count"}, {"cpu", "nanoseconds"}}},
	[SESSION_HEAP] = {"space", "bytes",
		{{"alloc_objects", "count"}, {"alloc_space", "bytes"}, {"inuse_objects", "count"},
			{"inuse_space", "bytes"}}},
};

static int describe(struct publication *p, const struct publish_info *info)
{
	struct profile *f = p->profile;
	int r = 0;

	for (size_t i = 0;
		!r && i < (info->no_in_use ? IN_USE : MAX_VALUES) && kinds[p->type].values[i][0];
		i++)
		r = profile_add_sample_type(
			f, kinds[p->type].values[i][0], kinds[p->type].values[i][1]);
	for (size_t i = 0; !r && i < info->n_comments; i++)
		r = profile_add_comment(f, info->comments[i]);
	f->period_type = (struct value_type){publication_text(p, kinds[p->type].period_type),
		publication_text(p, kinds[p->type].period_unit)};
	f->period = (int64_t)info->period;
	f->time_nanos = p->start;
	f->duration_nanos = (int64_t)info->duration;
	return r ? r : p->error;
}

int publish_start(struct symbolizer *symbolizer, struct window *window,
	const struct publish_info *info, publish_done done, void *userdata)
{
	struct publication *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;

	if (!p) {
		heap_moment_free(info->moment);
		return -ENOMEM;
	}
	p->symbolizer = symbolizer;
	p->window = window_ref(window);
	p->moment = info->moment;
	p->n_frames = window_n_frames(window);
	p->n_stacks = window_n_stacks(window);
	p->type = info->type;
	p->period = info->period;
	p->until = window_start(window) + info->duration;
	p->start = info->start.tv_sec * NS_PER_SECOND + info->start.tv_nsec;
	p->profile = profile_new();
	if (p->profile)
		r = describe(p, info);
	if (!r)
		r = group_frames(p);
	if (!r)
		r = busiest_first(p);
	if (r) {
		p->error = r;
		finish(p, 0);
		return r;
	}
	p->done = done;
	p->userdata = userdata;
	advance(p);
	return 0;
}
