/* SPDX-License-Identifier: MIT */
#include "symbolizer/jitdump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbolizer/jitdump_lines.h"
#include "symbolizer/nearest.h"
#include "util/cleanup.h"
#include "util/grow.h"

#define MAGIC	      0x4a695444u /* "JiTD" as its writer's machine stores it */
#define FOREIGN_CLOCK 1u	  /* a flag: times are the processor's, not the kernel's */
/* Real dumps have under a million records; each names a handful of the asked addresses. */
#define MAX_RECORDS 20000000u
#define MAX_HITS    50000000u
/* That are read to go through them once, or as many as there are: a file that is sparse costs
 * 256 KiB for each record. */
#define MAX_READ (2ULL << 30)
/* Bytes of line tables, and of names in them, that are looked at: a fraction of a second. */
#define MAX_LINE_BYTES (64u << 20)

enum record_id { CODE_LOAD, CODE_MOVE, CODE_DEBUG_INFO };

struct header {
	uint32_t magic, version, size, machine, pad, pid;
	uint64_t time, flags;
};

/* Its name, and the code, come behind it. */
struct load {
	uint32_t pid, tid;
	uint64_t vma, address, size, index;
};

struct move {
	uint32_t pid, tid;
	uint64_t vma, from, to, size, index;
};

/* What is known of one asked address. */
struct found {
	uint64_t time;
	uint64_t index;	      /* of the code that was moved there: its name stands elsewhere */
	uint64_t start, size; /* of the code */
	struct jitdump_table table;
	uint32_t function;
	bool moved;
};

/* Asked addresses by something that was found of them: the index of the code that was moved there,
 * or where its line table is. */
struct place {
	uint64_t key;
	uint64_t offset; /* in the code, for tables */
	size_t address;	 /* its index */
};

struct places {
	struct place *all;
	size_t n, capacity;
};

struct search {
	struct jitdump_file file;
	struct names *answer;
	struct nearest asked; /* only to find addresses */
	struct found *found;  /* by address */
	uint64_t until;
	uint32_t hits;
	struct places moved;
	struct jitdump_table table; /* the last one, whose code is still to come */
	uint32_t n_tables;
	uint64_t before; /* least distance of a table's first line from the begin of its code */
};

/* ---- reading ------------------------------------------------------------------------------ */

static int read_header(struct jitdump_file *f, struct header *h)
{
	const void *bytes = jitdump_bytes(f, 0, sizeof(*h));

	if (!bytes)
		return f->error ? f->error : -ENOEXEC;
	memcpy(h, bytes, sizeof(*h));
	return h->magic == MAGIC && h->size >= sizeof(*h) ? 0 : -ENOEXEC;
}

bool jitdump_is(int fd)
{
	uint32_t magic;

	return pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) && magic == MAGIC;
}

/* ---- records ------------------------------------------------------------------------------ */

/* The function of a LOAD at `at`, whose name ends before `end`. Only looked at if it is asked for.
 */
static uint32_t name_of(struct search *s, uint64_t at, uint64_t end)
{
	uint64_t begin = at + sizeof(struct jitdump_record) + sizeof(struct load);
	size_t room = end - begin < SYMBOLIZER_MAX_NAME ? (size_t)(end - begin)
							: SYMBOLIZER_MAX_NAME;
	const char *bytes = jitdump_bytes(&s->file, begin, room);
	_cleanup_free_ char *name = bytes ? strndup(bytes, room) : NULL;

	return name && *name ? names_symbol(s->answer, name, 0) : NAMES_NONE;
}

/* Code has come to a place. -E2BIG when that is said too often. */
static int put(struct search *s, const struct found *what)
{
	for (size_t i = nearest_index(&s->asked, what->start);
		i < s->asked.n && s->asked.addresses[i] - what->start < what->size; i++) {
		if (++s->hits > MAX_HITS)
			return -E2BIG;
		if (what->time >= s->found[i].time)
			s->found[i] = *what;
	}
	return 0;
}

static bool concerns(const struct search *s, uint64_t address, uint64_t size)
{
	size_t i = nearest_index(&s->asked, address);

	return i < s->asked.n && s->asked.addresses[i] - address < size;
}

/* A line table comes before its code. One without entries does not tell how writers count. */
static void take_table(struct search *s, const struct jitdump_record *r, uint64_t at)
{
	struct jitdump_table *t = &s->table;

	if (!jitdump_table_read(&s->file, at, r, t) || t->first < t->code || t->first == UINT64_MAX)
		return;
	if (!s->n_tables++ || t->first - t->code < s->before)
		s->before = t->first - t->code;
}

/* Whatever comes to its place later has another, or none. */
static struct jitdump_table table_of(struct search *s, const struct load *load)
{
	struct jitdump_table table = {0};

	if (s->table.code == load->address) {
		table = s->table;
		table.size = load->size;
		s->table = (struct jitdump_table){0};
	}
	return table;
}

static int take_load(struct search *s, const struct jitdump_record *r, uint64_t at)
{
	struct load load;
	const void *bytes = jitdump_bytes(&s->file, at + sizeof(*r), sizeof(load));

	if (!bytes || r->size < sizeof(*r) + sizeof(load))
		return 0;
	memcpy(&load, bytes, sizeof(load));
	struct jitdump_table table = table_of(s, &load);

	if (!concerns(s, load.address, load.size))
		return 0;
	struct found what = {.time = r->time,
		.start = load.address,
		.size = load.size,
		.table = table,
		.function = name_of(s, at, at + r->size)};
	return put(s, &what);
}

static int take_move(struct search *s, const struct jitdump_record *r, uint64_t at)
{
	struct move move;
	const void *bytes = jitdump_bytes(&s->file, at + sizeof(*r), sizeof(move));

	if (!bytes || r->size < sizeof(*r) + sizeof(move))
		return 0;
	memcpy(&move, bytes, sizeof(move));
	if (!concerns(s, move.to, move.size))
		return 0;
	struct found what = {.time = r->time,
		.start = move.to,
		.size = move.size,
		.index = move.index,
		.function = NAMES_NONE,
		.moved = true};
	return put(s, &what);
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return (x->address > y->address) - (x->address < y->address);
}

static int add_place(struct places *p, uint64_t key, uint64_t offset, size_t address)
{
	int r = grow(p->all, p->n, p->capacity, 1);

	if (!r)
		p->all[p->n++] = (struct place){key, offset, address};
	return r;
}

static void sort_places(struct places *p)
{
	if (p->n)
		qsort(p->all, p->n, sizeof(*p->all), compare_places);
}

/* Where moved code is, by its index. 0 or -ENOMEM. */
static int list_moved(struct search *s)
{
	int r = 0;

	for (size_t i = 0; !r && i < s->asked.n; i++)
		if (s->found[i].moved)
			r = add_place(&s->moved, s->found[i].index, 0, i);
	sort_places(&s->moved);
	return r;
}

static size_t first_place(const struct places *p, uint64_t key)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->all[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The name of code that was moved is that of the LOAD with its index. */
static int name_moved(struct search *s, const struct jitdump_record *r, uint64_t at)
{
	struct load load;
	const void *bytes = jitdump_bytes(&s->file, at + sizeof(*r), sizeof(load));
	uint32_t function = NAMES_NONE;

	if (r->id == CODE_DEBUG_INFO)
		take_table(s, r, at);
	if (r->id != CODE_LOAD || !bytes || r->size < sizeof(*r) + sizeof(load))
		return 0;
	memcpy(&load, bytes, sizeof(load));
	struct jitdump_table table = table_of(s, &load);

	for (size_t i = first_place(&s->moved, load.index);
		i < s->moved.n && s->moved.all[i].key == load.index; i++) {
		struct found *f = &s->found[s->moved.all[i].address];

		if (++s->hits > MAX_HITS)
			return -E2BIG;
		if (function == NAMES_NONE)
			function = name_of(s, at, at + r->size);
		f->function = function;
		f->table = table;
	}
	return 0;
}

static int take(struct search *s, const struct jitdump_record *r, uint64_t at)
{
	if (r->id == CODE_DEBUG_INFO)
		take_table(s, r, at);
	if (s->until && r->time > s->until)
		return 0;
	if (r->id == CODE_LOAD)
		return take_load(s, r, at);
	return r->id == CODE_MOVE ? take_move(s, r, at) : 0;
}

typedef int (*record_visitor)(struct search *s, const struct jitdump_record *r, uint64_t at);

static uint64_t most_to_read(int fd)
{
	const uint64_t block = 512;
	struct stat st;
	uint64_t twice = fstat(fd, &st) ? 0 : 2 * block * (uint64_t)st.st_blocks;

	return twice > MAX_READ ? twice : MAX_READ;
}

static int each_record(struct search *s, uint64_t at, record_visitor visit)
{
	uint64_t most = most_to_read(s->file.fd);
	const void *bytes;
	int r = 0;

	s->file.read = 0;
	for (uint32_t n = 0;
		!r && (bytes = jitdump_bytes(&s->file, at, sizeof(struct jitdump_record))); n++) {
		struct jitdump_record record;

		memcpy(&record, bytes, sizeof(record));
		if (record.size < sizeof(record))
			break;
		if (n == MAX_RECORDS || s->file.read > most)
			return -E2BIG;
		r = visit(s, &record, at);
		at += record.size;
	}
	return r ? r : s->file.error;
}

/* ---- lines -------------------------------------------------------------------------------- */

/* The same function, in that file. */
static uint32_t function_in(struct search *s, uint32_t function, const struct jitdump_line *line)
{
	struct symbolizer_function f = s->answer->functions[function];
	const char *bytes = jitdump_bytes(&s->file, line->file, line->file_size);
	_cleanup_free_ char *name = bytes ? strndup(bytes, line->file_size) : NULL;

	f.file = name ? names_string(s->answer, name) : 0;
	return f.file ? names_function(s->answer, &f) : function;
}

/* By table, and by offset: each is gone through once. 0 or -ENOMEM. */
static int list_tables(struct search *s, struct places *tables)
{
	int r = 0;

	for (size_t i = 0; !r && i < s->asked.n; i++)
		if (s->found[i].function != NAMES_NONE && s->found[i].table.at)
			r = add_place(tables, s->found[i].table.at,
				s->asked.addresses[i] - s->found[i].start, i);
	sort_places(tables);
	return r;
}

/* Those of the n addresses that have the table of the first. */
static void lines_of_table(struct search *s, const struct place *places, size_t n,
	struct jitdump_asked *asked, uint64_t *budget, struct names_frame *frames)
{
	uint64_t shift = s->n_tables && s->before >= JITDUMP_SHIFT ? JITDUMP_SHIFT : 0;

	for (size_t i = 0; i < n; i++)
		asked[i].offset = places[i].offset;
	if (!jitdump_table_lines(
		    &s->file, &s->found[places->address].table, shift, budget, asked, n))
		return;
	for (size_t i = 0; i < n; i++) {
		const struct jitdump_line *line = &asked[i].line;
		size_t k = places[i].address;

		if (!line->file || !jitdump_spend(&s->file, budget, line->file_size))
			continue;
		frames[k] = (struct names_frame){
			function_in(s, s->found[k].function, line), line->line};
		s->answer->head.flags |= SYMBOLIZER_HAS_FILES | SYMBOLIZER_HAS_LINES;
	}
}

/* Where too much would have to be looked at, the rest has no lines. 0, -ENOMEM, or -errno. */
static int find_lines(struct search *s, struct names_frame *frames)
{
	_cleanup_free_ struct jitdump_asked *asked = calloc(s->asked.n + 1, sizeof(*asked));
	uint64_t budget = MAX_LINE_BYTES;
	struct places tables = {0};
	int r = asked ? list_tables(s, &tables) : -ENOMEM;
	size_t end;

	s->file.read = 0; /* records were counted for themselves */
	for (size_t i = 0; !r && budget && i < tables.n; i = end) {
		for (end = i + 1; end < tables.n && tables.all[end].key == tables.all[i].key;)
			end++;
		lines_of_table(s, &tables.all[i], end - i, asked, &budget, frames);
	}
	free(tables.all);
	return r ? r : s->file.error;
}

/* ---- the outside -------------------------------------------------------------------------- */

static int search(struct search *s)
{
	struct header h;
	int r = read_header(&s->file, &h);

	if (r)
		return r;
	if (h.flags & FOREIGN_CLOCK)
		s->until = 0;
	r = each_record(s, h.size, take);
	s->table = (struct jitdump_table){0};
	if (!r)
		r = list_moved(s);
	if (!r && s->moved.n)
		r = each_record(s, h.size, name_moved);
	return r;
}

/* Names stay where lines could not be found. */
static int give_frames(struct search *s, int r)
{
	_cleanup_free_ struct names_frame *frames = calloc(s->asked.n + 1, sizeof(*frames));

	if (!frames)
		return -ENOMEM;
	for (size_t i = 0; i < s->asked.n; i++)
		frames[i].function = s->found[i].function;
	if (!r)
		r = find_lines(s, frames);
	for (size_t i = 0; i < s->asked.n; i++)
		if (frames[i].function != NAMES_NONE)
			names_set(s->answer, i, &frames[i], 1);
	return r;
}

int jitdump_resolve(
	struct names *answer, int fd, const uint64_t *addresses, size_t n, uint64_t until)
{
	_cleanup_free_ char *buffer = malloc(JITDUMP_BUFFER);
	_cleanup_free_ struct found *found = calloc(n + 1, sizeof(*found));
	struct search s = {.file = {.fd = fd, .bytes = buffer},
		.answer = answer,
		.asked = {.addresses = addresses, .n = n},
		.found = found,
		.until = until};
	int r = -ENOMEM;

	if (buffer && found) {
		for (size_t i = 0; i < n; i++)
			found[i].function = NAMES_NONE;
		r = give_frames(&s, search(&s));
	}
	free(s.moved.all);
	answer->head.flags |= until ? SYMBOLIZER_DEPENDS_ON_TIME : 0;
	return r ? r : answer->failed;
}
