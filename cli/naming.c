// SPDX-License-Identifier: MIT
#include "naming.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "placement.h"
#include "symbol_client.h"
#include "symbols/raw_symbol.h"
#include "util/cleanup.h"

/* A location that wants a name. */
struct place {
	uint32_t mapping, location;
	uint64_t at; /* ELF virtual address */
};

/* The naming of one profile. */
struct run {
	struct profile *p;
	const struct naming *naming;
	struct symbol_client client;
	struct place *places; /* by mapping */
	size_t n_places;
};

/* ---- what wants a name ---------------------------------------------------------------------- */

/* [module+0x1a2b], as profd calls what nobody could name. */
static bool is_placeholder(const char *name)
{
	size_t n = strlen(name);

	return n > 2 && name[0] == '[' && name[n - 1] == ']' && strstr(name, "+0x");
}

static bool has_no_name(const struct profile *p, const struct location *l)
{
	if (!l->n_lines)
		return true;
	const struct line *line = &p->lines[l->first_line];
	return l->n_lines == 1 && line->function &&
	       is_placeholder(profile_text(p, p->functions[line->function].name));
}

static bool wants_names(const struct run *r, const struct location *l)
{
	const struct mapping *m = &r->p->mappings[l->mapping];

	if (!l->mapping)
		return false;
	if (m->has_functions || m->has_filenames || m->has_line_numbers)
		return r->naming->again && has_no_name(r->p, l);
	return has_no_name(r->p, l);
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->mapping != y->mapping)
		return x->mapping < y->mapping ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return (x->location > y->location) - (x->location < y->location);
}

static int find_places(struct run *r)
{
	r->places = calloc(r->p->n_locations + 1, sizeof(*r->places));
	if (!r->places)
		return -ENOMEM;
	for (size_t i = 1; i < r->p->n_locations; i++) {
		const struct location *l = &r->p->locations[i];

		if (wants_names(r, l))
			r->places[r->n_places++] = (struct place){l->mapping, (uint32_t)i, 0};
	}
	qsort(r->places, r->n_places, sizeof(*r->places), compare_places);
	return 0;
}

/* ---- one mapping ---------------------------------------------------------------------------- */

struct module {
	struct run *run;
	struct mapping *mapping;
	char *path;	  /* owned: texts of the profile move when it gets more */
	char *debug_file; /* owned */
	int fd;
	struct place *places; /* its own, by address once they are placed */
	size_t n;
	struct symbol_reply head; /* build-id, segments and sources */
	struct naming_report report;
	char why[512], failure[256], servers[DEBUG_SERVERS_SAID];
};

/* Not files, whatever they are called: [stack], //anon, linux-vdso.so.1, /memfd:… */
static bool is_memory(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	return name[0] == '[' || !strncmp(name, "linux-vdso", 10) || !strncmp(path, "//anon", 6) ||
	       !strncmp(path, "/memfd:", 7);
}

/* What is in the file, and whether it is the one that was mapped. */
static int look(struct module *m)
{
	const char *wanted = profile_text(m->run->p, m->mapping->build_id);
	struct symbol_question question = {
		.kind = SYMBOLIZER_ELF_CODE, .fd = m->fd, .path = m->path, .symbols_only = true};

	int r = symbol_client_ask(&m->run->client, &question, &m->head, m->why, sizeof(m->why));
	if (r)
		return r;
	const char *is = m->head.answer.head->build_id;
	m->report.checked = *wanted && !strcmp(wanted, is);
	if (!*wanted || !*is || m->report.checked)
		return 0;
	snprintf(m->why, sizeof(m->why),
		"it is another one now (build-id %.40s, the profile is of %.40s)", is, wanted);
	return -ESTALE;
}

/* The file is not here, or is another one now: the servers may have the one that was mapped. */
static int fetch_file(struct module *m)
{
	const char *build_id = profile_text(m->run->p, m->mapping->build_id);
	struct debug_servers *servers = m->run->naming->servers;
	char said[DEBUG_SERVERS_SAID];

	if (!servers || !*build_id)
		return -ENOENT;
	int fd = debug_servers_get(servers, DEBUGINFOD_EXECUTABLE, build_id, said);
	if (fd < 0) {
		memcpy(m->servers, said, sizeof(said));
		return fd;
	}
	close_fd(m->fd);
	m->fd = fd;
	m->why[0] = '\0';
	symbol_reply_free(&m->head);
	return look(m);
}

/* Finds the addresses in the file; those that it has no code at go. */
static void place(struct module *m)
{
	const struct symbol_answer *a = &m->head.answer;
	size_t kept = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct place *p = &m->places[i];

		if (placement_find(m->mapping, a->segments, a->head->n_segments,
			    m->run->p->locations[p->location].address, &p->at))
			m->places[kept++] = *p;
	}
	m->report.outside = m->n - kept;
	m->n = kept;
	qsort(m->places, kept, sizeof(*m->places), compare_places);
}

/* ---- answers -------------------------------------------------------------------------------- */

int64_t naming_text(struct profile *p, const char *from, bool shorten)
{
	_cleanup_free_ char *text = strndup(from, SYMBOLIZER_MAX_NAME - 1);

	if (!text)
		return -ENOMEM;
	symbol_text_show(text);
	if (shorten)
		shorten_cpp_name(text);
	return profile_string(p, text);
}

/* ids: of the answer's functions in the profile; 0: not added yet. */
static int add_function(struct run *r, const struct symbol_answer *a, uint32_t index, uint32_t *ids)
{
	struct profile *p = r->p;
	const struct symbolizer_function *f = &a->functions[index];

	if (ids[index])
		return 0;
	const char *raw = a->strings + f->system_name;
	bool shorten = !r->naming->templates && is_cpp_symbol(raw);
	int64_t name = naming_text(p, a->strings + f->name, shorten);
	int64_t system_name = name < 0 ? name : naming_text(p, raw, false);
	int64_t file = system_name < 0 ? system_name : naming_text(p, a->strings + f->file, false);
	if (file < 0)
		return (int)file;
	int64_t id = profile_add_function(p, &(struct function){
						     .name = (uint32_t)name,
						     .system_name = (uint32_t)system_name,
						     .filename = (uint32_t)file,
						     .start_line = f->start_line,
					     });
	if (id < 0)
		return (int)id;
	ids[index] = (uint32_t)id;
	return 0;
}

static int name_location(struct run *run, const struct symbol_answer *a,
	const struct symbolizer_address *address, uint32_t location, uint32_t *ids)
{
	struct line lines[SYMBOLIZER_MAX_INLINES];

	for (uint32_t i = 0; i < address->count; i++) {
		const struct symbolizer_line *from = &a->lines[address->first + i];
		int r = add_function(run, a, from->function, ids);

		if (r)
			return r;
		lines[i] = (struct line){.function = ids[from->function], .line = from->line};
	}
	run->p->locations[location].is_folded = false;
	return profile_set_lines(run->p, location, lines, address->count);
}

/* The places are in the order of the addresses that were asked; equal ones have one answer. */
static int apply(struct module *m, const struct symbol_answer *a, struct place *places, size_t n)
{
	_cleanup_free_ uint32_t *ids = calloc(a->head->n_functions + 1, sizeof(*ids));
	size_t answer = 0;
	int r = ids ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !r; i++) {
		answer += i && places[i].at != places[i - 1].at;
		if (!a->addresses[answer].count)
			continue;
		r = name_location(m->run, a, &a->addresses[answer], places[i].location, ids);
		m->report.named++;
	}
	return r;
}

static void note_flags(struct module *m, const struct symbolizer_answer *head)
{
	m->mapping->has_functions |= m->report.named > 0;
	m->mapping->has_filenames |= !!(head->flags & SYMBOLIZER_HAS_FILES);
	m->mapping->has_line_numbers |= !!(head->flags & SYMBOLIZER_HAS_LINES);
	m->mapping->has_inline_frames |= !!(head->flags & SYMBOLIZER_HAS_INLINES);
	m->report.sources = head->flags;
}

static void note_debug_file(struct module *m, struct symbol_reply *reply)
{
	for (size_t i = 0; i < reply->n_wants; i++)
		if (*reply->wants[i].said && !reply->wants[i].path)
			memcpy(m->servers, reply->wants[i].said, sizeof(m->servers));
	if (!(reply->answer.head->flags & SYMBOLIZER_SEES_DEBUG_FILE))
		return;
	for (size_t i = 0; i < reply->n_wants; i++)
		if (reply->wants[i].path && !m->debug_file)
			m->debug_file = take_ptr(reply->wants[i].path);
}

/* Asks for the names of some places. */
static int name_places(struct module *m, struct place *places, size_t n)
{
	_cleanup_free_ uint64_t *at = calloc(n, sizeof(*at));
	struct symbol_reply reply;
	struct symbol_question question = {
		.kind = SYMBOLIZER_ELF_CODE, .fd = m->fd, .path = m->path, .at = at};

	if (!at)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (!i || places[i].at != places[i - 1].at)
			at[question.n++] = places[i].at;
	int r = symbol_client_ask(&m->run->client, &question, &reply, m->why, sizeof(m->why));
	if (r)
		/* It is the symbolizer that lacks memory, or its answer that is too large. */
		return r == -ENOMEM || r == -E2BIG ? -EIO : r;
	if (*reply.failure)
		memcpy(m->failure, reply.failure, sizeof(m->failure));
	r = apply(m, &reply.answer, places, n);
	note_flags(m, reply.answer.head);
	note_debug_file(m, &reply);
	symbol_reply_free(&reply);
	return r;
}

static int name_module(struct module *m)
{
	m->report.memory = is_memory(m->path);
	if (!*m->path)
		snprintf(m->why, sizeof(m->why), "the profile does not say which file it is");
	else if (m->report.memory)
		snprintf(m->why, sizeof(m->why),
			"it is memory of the process or the kernel, and no file");
	if (*m->why)
		return 0;
	m->fd = symbol_file_open(m->path, m->why, sizeof(m->why));
	if ((m->fd < 0 || look(m)) && fetch_file(m))
		return 0;
	place(m);
	if (!m->n)
		snprintf(m->why, sizeof(m->why), "it has no code at these addresses");
	int r = 0;
	for (size_t i = 0; i < m->n && !r; i += SYMBOLIZER_MAX_OFFSETS) {
		size_t left = m->n - i;

		r = name_places(m, m->places + i,
			left < SYMBOLIZER_MAX_OFFSETS ? left : SYMBOLIZER_MAX_OFFSETS);
	}
	return r == -ENOMEM || r == -E2BIG ? r : 0;
}

static int name_mapping(struct run *r, struct place *places, size_t n)
{
	struct module m = {
		.run = r,
		.mapping = &r->p->mappings[places[0].mapping],
		.fd = -1,
		.places = places,
		.n = n,
		.report.wanted = n,
	};

	m.path = strdup(profile_text(r->p, m.mapping->file));
	int error = m.path ? name_module(&m) : -ENOMEM;
	m.report.path = m.path;
	m.report.debug_file = m.debug_file;
	m.report.why = *m.why ? m.why : NULL;
	m.report.failure = *m.failure ? m.failure : NULL;
	m.report.servers = *m.servers ? m.servers : NULL;
	if (!error && r->naming->told)
		r->naming->told(r->naming->userdata, &m.report);
	free(m.path);
	free(m.debug_file);
	symbol_reply_free(&m.head);
	close_fd(m.fd);
	return error;
}

int naming_run(struct profile *p, const struct naming *n)
{
	struct run r = {.p = p, .naming = n};

	int error = find_places(&r);
	if (error || !r.n_places) {
		free(r.places);
		return error;
	}
	error = symbol_client_init(&r.client, n->debug_dirs);
	r.client.servers = n->servers;
	for (size_t i = 0, end; i < r.n_places && !error; i = end) {
		for (end = i; end < r.n_places && r.places[end].mapping == r.places[i].mapping;)
			end++;
		error = name_mapping(&r, r.places + i, end - i);
	}
	symbol_client_close(&r.client);
	free(r.places);
	return error;
}
