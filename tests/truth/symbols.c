// SPDX-License-Identifier: MIT
/*
 * symbols [--passes N] [--debug FILE] FILE - names for the ELF virtual addresses (hexadecimal, one
 * a line) on standard input, by profd's symbolizer in this process, as its collector would ask for
 * them.
 *
 * Prints each address, and below it its frames, innermost first: TAB raw name TAB name TAB file
 * TAB line TAB line of the function. With --passes nothing of that, but for each pass over the same
 * addresses its CPU seconds, then those of a pass from a cache file (negative: it does not hold as
 * much), and then its private memory in KiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "helper/scratch.h"
#include "symbolizer/elf_module.h"
#include "symbolizer/names_cache.h"
#include "symbols/debug_name.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/parse.h"

#define DEBUG_DIR  "/usr/lib/debug"
#define HEAP_LIMIT (16u << 20)

struct place {
	uint64_t offset, vaddr;
};

struct places {
	struct place *all;
	size_t n, capacity;
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "symbols: %s: %s\n", what, why);
	return 1;
}

/* ---- addresses ------------------------------------------------------------------------------ */

static uint64_t offset_of(Elf *elf, size_t n_headers, uint64_t vaddr)
{
	GElf_Phdr ph;

	for (size_t i = 0; i < n_headers; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD && vaddr >= ph.p_vaddr &&
			vaddr - ph.p_vaddr < ph.p_filesz)
			return vaddr - ph.p_vaddr + ph.p_offset;
	return UINT64_MAX;
}

static int by_offset(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Sorted, each once; those that are not in the file are left out. */
static int read_places(struct places *p, Elf *elf)
{
	size_t n_headers, kept = 0;
	char line[64];

	if (elf_getphdrnum(elf, &n_headers))
		return -ENOEXEC;
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t vaddr = strtoull(line, NULL, 16);
		uint64_t offset = offset_of(elf, n_headers, vaddr);
		int r = grow(p->all, p->n, p->capacity, 1);

		if (r)
			return r;
		if (offset != UINT64_MAX)
			p->all[p->n++] = (struct place){offset, vaddr};
	}
	if (p->n)
		qsort(p->all, p->n, sizeof(*p->all), by_offset);
	for (size_t i = 0; i < p->n; i++)
		if (!kept || p->all[i].offset != p->all[kept - 1].offset)
			p->all[kept++] = p->all[i];
	p->n = kept;
	return 0;
}

/* ---- names ---------------------------------------------------------------------------------- */

struct asked {
	const char *path, *debug; /* the file, its separate debug file or NULL */
	uint64_t passes;	  /* 0: show the names */
	struct elf_modules modules;
};

/* As the opener looks for them: by build-id, where the compiler wrote it, or beside the file. */
static int open_debug_file(void *userdata, const char *name)
{
	const struct asked *a = userdata;
	const char *slash = strrchr(a->path, '/');
	char path[PATH_MAX], file[NAME_MAX + 1];
	int fd;

	if (a->debug && !name[strspn(name, "0123456789abcdef")])
		return open(a->debug, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), DEBUG_DIR "/.build-id/%.2s/%s.debug", name, name + 2);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (debug_name_is_split(name))
		return open(name, O_RDONLY | O_CLOEXEC);
	if (!debug_name_resolve(file, sizeof(file), name, a->path))
		return -1;
	snprintf(path, sizeof(path), "%.*s%s", slash ? (int)(slash + 1 - a->path) : 0, a->path,
		file);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int open_scratch(void *userdata)
{
	return scratch_open("/var/tmp");
}

static void show(const struct names *answer, const struct places *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct symbolizer_address *a = &answer->addresses[i];

		printf("0x%" PRIx64 "\n", p->all[i].vaddr);
		for (uint32_t k = a->first; k < a->first + a->count; k++) {
			const struct symbolizer_function *f =
				&answer->functions[answer->lines[k].function];
			uint32_t raw = f->system_name ? f->system_name : f->name;

			printf("\t%s\t%s\t%s\t%" PRIu32 "\t%" PRIu32 "\n", answer->strings + raw,
				answer->strings + f->name, answer->strings + f->file,
				answer->lines[k].line, f->start_line);
		}
	}
}

/* Of this process's CPU time. */
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Keeps an answer, and gets it back. */
static int resolve_from_disk(const struct asked *a, struct names *answer, const uint64_t *offsets)
{
	static const struct file_identity identity;
	_cleanup_close_ int fd = memfd_create("names", MFD_CLOEXEC);
	struct names_cache cache;
	struct names again;
	double start;
	int r;

	names_cache_load(&cache, fd, &identity, SYMBOLIZER_ELF);
	r = names_cache_keep(&cache, answer, offsets, elf_modules_sources(&a->modules));
	names_cache_close(&cache);
	start = now();
	if (!r)
		r = names_init(&again, offsets, answer->n_addresses);
	if (r)
		return r;
	names_cache_load(&cache, fd, &identity, SYMBOLIZER_ELF);
	names_cache_find(&cache, &again, offsets);
	printf("%.6f\n", again.n_known == again.n_addresses ? now() - start : -1);
	names_cache_close(&cache);
	names_free(&again);
	return 0;
}

static int resolve(struct asked *a, int fd, const struct places *p, bool last)
{
	struct elf_module_options options = {
		.heap_limit = HEAP_LIMIT,
		.want = open_debug_file,
		.scratch = open_scratch,
		.userdata = a,
	};
	_cleanup_free_ uint64_t *offsets = calloc(p->n + 1, sizeof(*offsets));
	struct names answer;
	double start = now();
	int r;

	if (!offsets)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i++)
		offsets[i] = p->all[i].offset;
	r = names_init(&answer, offsets, p->n);
	if (!r)
		r = elf_modules_resolve(&a->modules, &answer, fd, offsets, p->n, &options);
	if (!r && a->passes)
		printf("%.6f\n", now() - start);
	else if (!r)
		show(&answer, p);
	if (!r && last && a->passes)
		r = resolve_from_disk(a, &answer, offsets);
	names_free(&answer);
	return r;
}

/* "RssAnon:  1234 kB" now; there is no peak of it. */
static long private_kib(void)
{
	_cleanup_fclose_ FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	long kib = -1;

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "RssAnon: %ld", &kib) == 1)
			break;
	return kib;
}

static bool read_arguments(struct asked *a, int argc, char **argv)
{
	static const struct option options[] = {{"passes", required_argument, NULL, 'p'},
		{"debug", required_argument, NULL, 'd'}, {0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'd')
			a->debug = optarg;
		else if (option != 'p' || parse_u64(optarg, 1, 99, &a->passes))
			return false;
	}
	a->path = argv[optind];
	return optind + 1 == argc;
}

int main(int argc, char **argv)
{
	struct asked asked = {0};
	struct places places = {0};
	_cleanup_close_ int fd = -1;
	Elf *elf;
	int r;

	if (!read_arguments(&asked, argc, argv)) {
		fputs("usage: symbols [--passes N] [--debug FILE] FILE\n", stderr);
		return 2;
	}
	elf_version(EV_CURRENT);
	fd = open(asked.path, O_RDONLY | O_CLOEXEC);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!elf)
		return fail(asked.path, fd < 0 ? strerror(errno) : "not an ELF file");
	r = read_places(&places, elf);
	elf_end(elf);
	for (uint64_t i = 0, n = asked.passes ? asked.passes : 1; !r && i < n; i++)
		r = resolve(&asked, fd, &places, i + 1 == n);
	malloc_trim(0); /* as the helper does after each answer */
	if (!r && asked.passes)
		printf("%ld\n", private_kib());
	elf_modules_free(&asked.modules);
	free(places.all);
	return r ? fail(asked.path, strerror(-r)) : 0;
}
