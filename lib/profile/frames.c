/* SPDX-License-Identifier: MIT */
#include "profile/frames.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/strings.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"

/* ---- labels ------------------------------------------------------------------------------- */

const struct label *sample_label(const struct profile *p, const struct sample *s, const char *key)
{
	for (size_t i = 0; i < s->n_labels; i++) {
		const struct label *l = &p->labels[s->first_label + i];
		if (!strcmp(profile_text(p, l->key), key))
			return l;
	}
	return NULL;
}

int64_t sample_number(
	const struct profile *p, const struct sample *s, const char *key, int64_t otherwise)
{
	const struct label *l = sample_label(p, s, key);
	return l && !l->str ? l->num : otherwise;
}

const char *sample_text(const struct profile *p, const struct sample *s, const char *key)
{
	const struct label *l = sample_label(p, s, key);
	return l ? profile_text(p, l->str) : "";
}

char *sample_process(const struct profile *p, const struct sample *s)
{
	const char *comm = sample_text(p, s, "comm");
	const struct label *pid = sample_label(p, s, "pid");
	char *name;
	int n;

	if (pid && !pid->str)
		n = asprintf(&name, "%s-%" PRId64, *comm ? comm : "pid", pid->num);
	else
		n = asprintf(&name, "%s", comm);
	return n < 0 ? NULL : name;
}

/* ---- frames ------------------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

enum frame_kind frame_kind_of_file(const char *file)
{
	if (starts_with(file, "[kernel") || starts_with(file, "[guest.kernel"))
		return FRAME_KERNEL;
	if (starts_with(file, "//anon") || starts_with(file, "[anon") ||
		starts_with(file, "/memfd:") || strstr(file, "/perf-"))
		return FRAME_JIT;
	return FRAME_NATIVE;
}

struct wanted_frame {
	const struct frame_table *t;
	const struct frame *frame;
};

/* Files and start lines tell static functions of one name apart. */
static bool equal_frame(const void *userdata, uint32_t id)
{
	const struct wanted_frame *w = userdata;
	const struct frame *a = w->frame, *b = &w->t->frames[id];
	const struct function *f = &w->t->profile->functions[a->function],
			      *g = &w->t->profile->functions[b->function];
	return a->name == b->name && a->module == b->module && a->kind == b->kind &&
	       f->filename == g->filename && f->start_line == g->start_line;
}

static int64_t add_frame(struct frame_table *t, const struct frame *frame)
{
	struct wanted_frame wanted = {t, frame};
	const struct function *f = &t->profile->functions[frame->function];
	uint64_t words[] = {(uint64_t)frame->name << 32 | frame->module,
		(uint64_t)f->filename << 32 | frame->kind, (uint64_t)f->start_line};
	uint64_t hash = hash_bytes(words, sizeof(words));
	uint32_t id = intern_find(&t->index, hash, equal_frame, &wanted);

	if (id)
		return id;
	int err = grow(t->frames, t->n, t->capacity, 1);
	if (!err)
		err = intern_add(&t->index, hash, (uint32_t)t->n);
	if (err)
		return err;
	t->frames[t->n] = *frame;
	return (int64_t)t->n++;
}

static const char *after_slash(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

static int64_t add_text(struct frame_table *t, const char *text)
{
	return strings_add(t->texts, text, strlen(text));
}

/* A frame without a function is named for its address. */
static int64_t add_name(struct frame_table *t, const struct location *l, uint32_t function)
{
	const struct profile *p = t->profile;
	const char *name = profile_text(p, p->functions[function].name);
	_cleanup_free_ char *unnamed = NULL;

	if (!*name)
		name = profile_text(p, p->functions[function].system_name);
	if (!*name) {
		const char *module = after_slash(profile_text(p, p->mappings[l->mapping].file));
		if (asprintf(&unnamed, "[%s+0x%" PRIx64 "]", *module ? module : "unknown",
			    l->address) < 0)
			return -ENOMEM;
		name = unnamed;
	}
	return add_text(t, name);
}

static int64_t make_frame(
	struct frame_table *t, const struct location *l, uint32_t function, bool inlined)
{
	const char *file = profile_text(t->profile, t->profile->mappings[l->mapping].file);
	int64_t module = add_text(t, after_slash(file));
	int64_t name = module < 0 ? module : add_name(t, l, function);

	if (name < 0)
		return name;
	return add_frame(t, &(struct frame){.name = (uint32_t)name,
				    .module = (uint32_t)module,
				    .function = function,
				    .mapping = l->mapping,
				    .kind = inlined ? FRAME_INLINED : frame_kind_of_file(file)});
}

static int make_frames(struct frame_table *t, uint32_t id)
{
	const struct location *l = &t->profile->locations[id];
	int64_t frame = 0;

	if (!l->n_lines) {
		frame = make_frame(t, l, 0, false);
		t->of_location[id] = (uint32_t)frame;
	}
	for (uint32_t i = 0; i < l->n_lines && frame >= 0; i++) {
		uint32_t line = l->first_line + i;
		frame = make_frame(t, l, t->profile->lines[line].function, i + 1 < l->n_lines);
		t->of_line[line] = (uint32_t)frame;
	}
	return frame < 0 ? (int)frame : 0;
}

int frame_table_init(struct frame_table *t, const struct profile *p, struct string_table *texts)
{
	*t = (struct frame_table){.profile = p, .texts = texts};
	t->of_line = calloc(p->n_lines + 1, sizeof(*t->of_line));
	t->of_location = calloc(p->n_locations, sizeof(*t->of_location));
	int err = t->of_line && t->of_location ? grow(t->frames, 0, t->capacity, 1) : -ENOMEM;
	if (!err)
		t->frames[t->n++] = (struct frame){0};
	for (size_t i = 1; i < p->n_locations && !err; i++)
		err = make_frames(t, (uint32_t)i);
	return err;
}

void frame_table_free(struct frame_table *t)
{
	free(t->frames);
	free(t->of_line);
	free(t->of_location);
	free(t->stack);
	intern_free(&t->index);
	*t = (struct frame_table){0};
}

static int push(struct frame_table *t, uint32_t id)
{
	int err = grow(t->stack, t->stack_n, t->stack_capacity, 1);
	if (!err)
		t->stack[t->stack_n++] = id;
	return err;
}

int frame_table_stack(struct frame_table *t, const struct sample *s)
{
	int err = 0;

	t->stack_n = 0;
	for (uint32_t i = s->n_locations; i-- > 0 && !err;) {
		uint32_t id = t->profile->location_ids[s->first_location + i];
		const struct location *l = &t->profile->locations[id];
		if (!l->n_lines)
			err = push(t, t->of_location[id]);
		for (uint32_t k = l->n_lines; k-- > 0 && !err;)
			err = push(t, t->of_line[l->first_line + k]);
	}
	return err;
}
