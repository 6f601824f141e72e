// SPDX-License-Identifier: MIT
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "debuginfod/servers.h"
#include "util/cleanup.h"
#include "util/parse.h"
#include "util/snapshot_plan.h"
#include "watch_list.h"

/* inih's buffer for a line; what is longer is a mistake. */
#define LINE_BYTES 4096
#define FILE_BYTES (1 << 20)

enum kind {
	KIND_TYPES,
	KIND_UNSIGNED,
	KIND_CHOICE,
	KIND_BOOL,
	KIND_PATH,
	KIND_FOLDERS, /* absolute paths with colons between them, or nothing */
	KIND_SERVERS, /* URLs with blanks between them, or nothing */
	KIND_WATCH,   /* watch_list.h */
	KIND_PLAN,    /* snapshot_plan.h */
	KIND_DURATION,
	KIND_SIZE,
};

struct key {
	struct config_key text;
	enum kind kind;
	size_t offset;		    /* of the field in struct config */
	uint64_t min, max;	    /* numbers: range; paths: max is the longest allowed */
	const char *const *choices; /* KIND_CHOICE: index is the value; ends with NULL */
};

static const char *const clocks[] = {"auto", "cpu-clock", "cycles", NULL};

static const char *const unwinds[] = {"auto", "table", "frame-pointer", NULL};

#define PATH_LONGEST   1024
#define SOCKET_LONGEST (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define FIELD(name)    .offset = offsetof(struct config, name)
#define MIB	       (1ULL << 20)

static const struct key keys[] = {
	{{"profile", "types", "LIST", "cpu", "what is profiled all the time: cpu, or nothing",
		 false},
		KIND_TYPES, FIELD(cpu)},
	{{"profile", "frequency", "HZ", "19", "samples a second on each CPU, 1 to 1000", false},
		KIND_UNSIGNED, FIELD(frequency), 1, 1000},
	{{"profile", "window", "SECONDS", "60", "seconds in one file, 10 to 3600", false},
		KIND_UNSIGNED, FIELD(window), 10, 3600},
	{{"profile", "clock", "CLOCK", "auto", "what ticks: auto, cpu-clock or cycles", false},
		KIND_CHOICE, FIELD(clock), .choices = clocks},
	{{"profile", "unwind", "WAY", "auto",
		 "how user stacks are walked: auto, table or frame-pointer", false},
		KIND_CHOICE, FIELD(unwind), .choices = unwinds},
	{{"profile", "exclude_self", "BOOL", "no", "leave out profd's own samples", false},
		KIND_BOOL, FIELD(exclude_self)},
	{{"heap", "watch", "NAMES", "",
		 "units, cgroups and commands whose heap is profiled all the time, blanks between",
		 false},
		KIND_WATCH, FIELD(watch)},
	{{"heap", "sample_bytes", "N", "524288", "mean bytes between samples of allocations",
		 false},
		KIND_UNSIGNED, FIELD(sample_bytes), 1, UINT32_MAX},
	{{"heap", "max_cost", "PERCENT", "5",
		 "of one CPU, what watching by uprobes may cost, 0 to 10000; 0: no ceiling", false},
		KIND_UNSIGNED, FIELD(max_cost), 0, 10000},
	{{"heap", "snapshot_every", "WHEN", "",
		 "also write what there is so far: each 10s, 64M-allocated or 16M-grown", false},
		KIND_PLAN, FIELD(snapshot_every)},
	{{"paths", "store", "DIR", "/var/lib/profd", "folder of the profiles", true}, KIND_PATH,
		FIELD(store), .max = PATH_LONGEST},
	{{"paths", "socket", "PATH", "/run/profd/profd.sock", "socket that profctl talks to", true},
		KIND_PATH, FIELD(socket), .max = SOCKET_LONGEST},
	{{"paths", "cache", "DIR", "/var/cache/profd",
		 "folder for what can be computed again: unwind tables", true},
		KIND_PATH, FIELD(cache), .max = PATH_LONGEST},
	{{"retention", "max_age", "TIME", "7d", "delete files older than this; 0: never", false},
		KIND_DURATION, FIELD(max_age), 0, UINT64_MAX},
	{{"retention", "max_size", "SIZE", "1G", "delete oldest files beyond this sum; 0: never",
		 false},
		KIND_SIZE, FIELD(max_size), 0, UINT64_MAX},
	{{"limits", "tables", "SIZE", "32M", "memory of unwind tables in the kernel, 1M to 1G",
		 false},
		KIND_SIZE, FIELD(tables), MIB, 1024 * MIB},
	{{"limits", "symbolizer", "SIZE", "64M", "memory of the symbolizer, 16M to 16G", false},
		KIND_SIZE, FIELD(symbolizer), 16 * MIB, 16384 * MIB},
	{{"symbols", "debug_dirs", "DIRS", "", "more folders with debug files, colons between",
		 false},
		KIND_FOLDERS, FIELD(debug_dirs), .max = LINE_BYTES},
	{{"symbols", "debuginfod", "URLS", "",
		 "servers that profd-net fetches debug files from, blanks between", false},
		KIND_SERVERS, FIELD(debuginfod)},
	{{"symbols", "debuginfod_size", "SIZE", "2G", "keep no more of what was fetched", false},
		KIND_SIZE, FIELD(debuginfod_size), 16 * MIB, 16384 * 1024 * MIB},
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

const struct config_key *config_key(size_t i)
{
	return i < N_KEYS ? &keys[i].text : NULL;
}

/* ---- one value ---------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static int refuse(
	char *why, size_t why_size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(why, why_size, format, args);
	va_end(args);
	return -EINVAL;
}

static int set_types(bool *cpu, const char *value, char *why, size_t why_size)
{
	_cleanup_free_ char *copy = strdup(value);
	char *rest = copy;

	if (!copy)
		return -ENOMEM;
	*cpu = false;
	for (char *type; (type = strtok_r(rest, ", ", &rest));) {
		if (strcmp(type, "cpu") != 0)
			return refuse(why, why_size,
				"'%.32s' is not a type of profile here: write cpu, or nothing to "
				"profile only on demand",
				type);
		*cpu = true;
	}
	return 0;
}

static int set_choice(
	const struct key *k, unsigned *choice, const char *value, char *why, size_t why_size)
{
	char allowed[64] = "";
	size_t used = 0;

	for (unsigned i = 0; k->choices[i]; i++) {
		if (!strcmp(value, k->choices[i])) {
			*choice = i;
			return 0;
		}
		int n = snprintf(allowed + used, sizeof(allowed) - used, "%s%s", i ? ", " : "",
			k->choices[i]);
		used += n > 0 && (size_t)n < sizeof(allowed) - used ? (size_t)n : 0;
	}
	return refuse(why, why_size, "'%.32s' is none of: %s", value, allowed);
}

static int replace_text(char **text, const char *value)
{
	char *copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

static int set_path(const struct key *k, char **path, const char *value, char *why, size_t why_size)
{
	if (!*value)
		value = k->text.fallback;
	if (*value != '/')
		return refuse(
			why, why_size, "'%.64s' is not an absolute path: begin it with /", value);
	if (strlen(value) > k->max)
		return refuse(why, why_size, "the path is longer than %llu bytes",
			(unsigned long long)k->max);
	return replace_text(path, value);
}

static int set_folders(
	const struct key *k, char **folders, const char *value, char *why, size_t why_size)
{
	for (const char *p = value; *value && p; p = strchr(p, ':')) {
		p += *p == ':';
		if (*p != '/')
			return refuse(why, why_size,
				"'%.64s' is not an absolute path: separate folders by one colon",
				p);
	}
	if (strlen(value) > k->max)
		return refuse(why, why_size, "the list is longer than %llu bytes",
			(unsigned long long)k->max);
	return replace_text(folders, value);
}

static int set_servers(char **servers, const char *value, char *why, size_t why_size)
{
	struct debuginfod_servers parsed;
	int r = debuginfod_servers_parse(&parsed, value, why, why_size);

	debuginfod_servers_free(&parsed);
	return r ? r : replace_text(servers, value);
}

static int set_watch(char **watch, const char *value, char *why, size_t why_size)
{
	struct watch_list parsed;
	int r = watch_list_parse(&parsed, value, why, why_size);

	watch_list_free(&parsed);
	return r ? r : replace_text(watch, value);
}

static int set_plan(char **text, const char *value, char *why, size_t why_size)
{
	struct snapshot_plan plan = {0};
	char wrong[32] = "";
	int r = snapshot_plan_add(&plan, value, wrong, sizeof(wrong));

	if (r == -EINVAL)
		return refuse(
			why, why_size, "'%s' is none of 10s, 64M-allocated, 16M-grown", wrong);
	return r ? r : replace_text(text, value);
}

static int set_number(const struct key *k, void *field, const char *value, char *why, size_t size)
{
	uint64_t n;
	int err;

	switch (k->kind) {
	case KIND_DURATION:
		err = parse_duration(value, &n);
		if (err)
			return refuse(why, size, "'%.32s' is not a time: write 90s, 10m, 12h or 7d",
				value);
		break;
	case KIND_SIZE:
		err = parse_size(value, &n);
		if (!err && (n < k->min || n > k->max))
			return refuse(why, size, "'%.32s' is not between %lluM and %lluG", value,
				(unsigned long long)(k->min >> 20),
				(unsigned long long)(k->max >> 30));
		if (err)
			return refuse(why, size, "'%.32s' is not a size: write 512M or 1G", value);
		break;
	default:
		err = parse_u64(value, k->min, k->max, &n);
		if (err)
			return refuse(why, size, "'%.32s' is not a whole number from %llu to %llu",
				value, (unsigned long long)k->min, (unsigned long long)k->max);
		*(unsigned *)field = (unsigned)n;
		return 0;
	}
	*(uint64_t *)field = n;
	return 0;
}

static int set_value(
	const struct key *k, struct config *c, const char *value, char *why, size_t why_size)
{
	void *field = (char *)c + k->offset;

	switch (k->kind) {
	case KIND_TYPES:
		return set_types(field, value, why, why_size);
	case KIND_CHOICE:
		return set_choice(k, field, value, why, why_size);
	case KIND_BOOL:
		if (parse_bool(value, field))
			return refuse(why, why_size, "'%.32s' is neither yes nor no", value);
		return 0;
	case KIND_PATH:
		return set_path(k, field, value, why, why_size);
	case KIND_FOLDERS:
		return set_folders(k, field, value, why, why_size);
	case KIND_SERVERS:
		return set_servers(field, value, why, why_size);
	case KIND_WATCH:
		return set_watch(field, value, why, why_size);
	case KIND_PLAN:
		return set_plan(field, value, why, why_size);
	case KIND_UNSIGNED:
	case KIND_DURATION:
	case KIND_SIZE:
		return set_number(k, field, value, why, why_size);
	}
	return -EINVAL;
}

/* ---- keys --------------------------------------------------------------------------------- */

#define NAME_LONGEST 24

/* Edits (insert, delete, replace) that turn a into b; both are cut to NAME_LONGEST bytes. */
static unsigned distance(const char *a, const char *b)
{
	size_t n = strnlen(b, NAME_LONGEST);
	unsigned row[NAME_LONGEST + 1];

	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; i <= NAME_LONGEST && a[i - 1]; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

const struct config_key *config_nearest(const char *name)
{
	const struct config_key *nearest = NULL;
	unsigned least = 4; /* further away is no typing mistake */

	for (size_t i = 0; i < N_KEYS; i++) {
		unsigned d = distance(name, keys[i].text.name);
		if (d < least) {
			least = d;
			nearest = &keys[i].text;
		}
	}
	return nearest;
}

static const struct key *find_key(const char *section, const char *name)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		if (!strcmp(name, keys[i].text.name) &&
			(!section || !strcmp(section, keys[i].text.section)))
			return &keys[i];
	}
	return NULL;
}

static bool section_exists(const char *section)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		if (!strcmp(section, keys[i].text.section))
			return true;
	}
	return false;
}

static void explain_unknown(const char *section, const char *name, char *why, size_t why_size)
{
	const struct key *elsewhere = find_key(NULL, name);
	const struct config_key *nearest = config_nearest(name);

	if (elsewhere)
		snprintf(why, why_size, "'%s' belongs into section [%s]", name,
			elsewhere->text.section);
	else if (nearest)
		snprintf(why, why_size, "unknown key '%.32s': did you mean '%s' in [%s]?", name,
			nearest->name, nearest->section);
	else
		snprintf(why, why_size, "unknown key '%.32s': profd.conf(5) lists the keys", name);
}

int config_set(struct config *c, const char *section, const char *key, const char *value, char *why,
	size_t why_size)
{
	const struct key *k = find_key(section, key);

	if (!k) {
		explain_unknown(section, key, why, why_size);
		return -ENOENT;
	}
	char reason[256] = "no memory";
	int err = set_value(k, c, value, reason, sizeof(reason));
	if (err)
		snprintf(why, why_size, "%s: %s", key, reason);
	return err;
}

int config_init(struct config *c)
{
	char why[256];

	*c = (struct config){0};
	for (size_t i = 0; i < N_KEYS; i++) {
		int err = set_value(&keys[i], c, keys[i].text.fallback, why, sizeof(why));
		if (err) {
			config_free(c);
			return err;
		}
	}
	return 0;
}

void config_free(struct config *c)
{
	free(c->watch);
	free(c->snapshot_every);
	free(c->store);
	free(c->socket);
	free(c->cache);
	free(c->debug_dirs);
	free(c->debuginfod);
	free(c->capture);
	*c = (struct config){0};
}

/* ---- the file ----------------------------------------------------------------------------- */

struct reading {
	struct config *config;
	const char *path;
	FILE *file, *errors;
	char *line; /* getline's */
	size_t capacity;
	unsigned number;  /* of the line that inih looks at */
	bool expects_key; /* it should hold a key; unset when inih found one */
	int mistakes;
	unsigned seen[N_KEYS]; /* line that set the key, 0: none */
};

__attribute__((format(printf, 2, 3))) static void mistake(
	struct reading *r, const char *format, ...)
{
	va_list args;
	r->mistakes++;
	fprintf(r->errors, "%s:%u: ", r->path, r->number);
	va_start(args, format);
	vfprintf(r->errors, format, args);
	va_end(args);
	fputc('\n', r->errors);
}

static void check_section(struct reading *r, const char *line)
{
	char name[NAME_LONGEST];
	size_t n = strcspn(line + 1, "]");

	if (line[1 + n] != ']') {
		mistake(r, "the section has no closing ]");
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(n < sizeof(name) ? n : sizeof(name)), line + 1);
	if (n >= sizeof(name) || !section_exists(name))
		mistake(r, "unknown section [%s]: profd.conf(5) lists the sections", name);
}

/* Tells what inih does not say: the mistakes of each line, with its number. */
static void end_line(struct reading *r)
{
	if (r->expects_key)
		mistake(r, "neither [section] nor key = value");
	r->expects_key = false;
}

/* inih's reader (as fgets): hands out one line, without what would make inih see a continued
 * line (blanks in front) or an unfinished one (NUL bytes, too long). */
static char *read_line(char *buffer, int size, void *userdata)
{
	struct reading *r = userdata;

	end_line(r);
	ssize_t got = getline(&r->line, &r->capacity, r->file);
	if (got < 0)
		return NULL;
	r->number++;
	size_t n = (size_t)got;
	const char *text = r->line;
	if (r->number == 1 && !strncmp(text, "\xEF\xBB\xBF", 3))
		text += 3;
	text += strspn(text, " \t\r\n\v\f");
	*buffer = '\0';
	if (memchr(r->line, '\0', n)) {
		mistake(r, "the line has a NUL byte");
		return buffer;
	}
	size_t length = strlen(text);
	if (length >= (size_t)size) {
		mistake(r, "the line is longer than %d bytes", size - 1);
		return buffer;
	}
	memcpy(buffer, text, length + 1);
	if (*text == '[')
		check_section(r, text);
	else
		r->expects_key = *text && *text != '#' && *text != ';';
	return buffer;
}

static int handle_key(void *userdata, const char *section, const char *name, const char *value)
{
	struct reading *r = userdata;
	char why[512];

	r->expects_key = false;
	const struct key *k = find_key(section, name);
	size_t i = k ? (size_t)(k - keys) : 0;
	if (k && r->seen[i])
		mistake(r, "'%s' was set in line %u already: keep one", name, r->seen[i]);
	else if (k && config_set(r->config, section, name, value, why, sizeof(why)))
		mistake(r, "%s", why);
	else if (!k && (section_exists(section) || !*section)) {
		/* A section that nobody knows was named once: not each of its keys again. */
		explain_unknown(section, name, why, sizeof(why));
		mistake(r, "%s", why);
	}
	if (k)
		r->seen[i] = r->number;
	return 1;
}

static int open_file(const char *path, FILE **out)
{
	struct stat st;
	FILE *file = fopen(path, "re");

	if (!file)
		return -errno;
	int err = 0;
	if (fstat(fileno(file), &st) < 0)
		err = -errno;
	else if (S_ISDIR(st.st_mode))
		err = -EISDIR;
	else if ((!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) || st.st_size > FILE_BYTES)
		err = -EFBIG; /* a device never ends */
	if (err)
		fclose(file);
	else
		*out = file;
	return err;
}

int config_load(struct config *c, const char *path, FILE *errors)
{
	struct reading r = {.config = c, .path = path, .errors = errors};
	int err = open_file(path, &r.file);

	if (err)
		return err;
	ini_max_line = LINE_BYTES;
	ini_allow_multiline = false;
	if (ini_parse_stream(read_line, &r, handle_key, &r) == -2) /* ini.h: no memory */
		err = -ENOMEM;
	end_line(&r);
	if (ferror(r.file))
		err = errno ? -errno : -EIO;
	fclose(r.file);
	free(r.line);
	return err ? err : r.mistakes;
}
