// SPDX-License-Identifier: MIT
/*
 * The collector's side of unwind tables, with the real helper in its sandbox: helpers are this
 * program itself, started with --helper. PROFD_TEST_UNWINDER makes it misbehave. What the helper
 * says is held against the compiler in this process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/helper.h"
#include "collector/module.h"
#include "collector/opener.h"
#include "collector/unwinder.h"
#include "elf_fixture.h"
#include "helper/protocol.h"
#include "helper/stream.h"
#include "symbolizer/elf_file.h"
#include "unwind/compile.h"
#include "unwind/page.h"
#include "unwinder/cache_file.h"
#include "unwinder/protocol.h"
#include "util/cleanup.h"
#include "util/log.h"

#define HOW	  "PROFD_TEST_UNWINDER"
#define MAX_PAGES 4096

struct world {
	sd_event *event;
	struct opener *opener;
	struct unwinder *unwinder;
	char folder[64]; /* of the cache, and of debug files */
	/* of the last answer */
	unsigned answers;
	int error;
	uint32_t page;
	struct unwinder_code code;
	uint32_t words[UNWIND_PAGE_WORDS];
	size_t n_words;
};

/* How much less of a time limit is waited for. */
static uint64_t shortened;

/* Takes the place of the library's: a limit that is counted from the past is over sooner. */
int sd_event_now(sd_event *e, clockid_t clock, uint64_t *usec)
{
	int (*real)(sd_event *, clockid_t, uint64_t *) = (int (*)(
		sd_event *, clockid_t, uint64_t *))dlsym(RTLD_NEXT, "sd_event_now");
	int r = real(e, clock, usec);

	*usec -= shortened;
	return r;
}

/* ---- asking ------------------------------------------------------------------------------- */

static void start(struct world *w, bool cached)
{
	assert_int_equal(
		unwinder_new(&w->unwinder, w->event, w->opener, cached ? w->folder : NULL), 0);
}

static void restart(struct world *w)
{
	unwinder_free(w->unwinder);
	start(w, true);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	unsetenv(HOW);
	shortened = 0;
	snprintf(w->folder, sizeof(w->folder), "/tmp/profd-unwinder-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	assert_true(sd_event_new(&w->event) >= 0);
	assert_int_equal(opener_new(&w->opener, w->event, w->folder), 0);
	start(w, true);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	char command[128];

	unwinder_free(w->unwinder);
	opener_free(w->opener);
	sd_event_unref(w->event);
	snprintf(command, sizeof(command), "rm -rf %s", w->folder);
	assert_int_equal(system(command), 0); // NOLINT
	free(w);
	return 0;
}

static void opened(
	void *userdata, struct module *module, int error, const struct unwinder_code *code)
{
	struct world *w = userdata;

	w->answers++;
	w->error = error;
	assert_true(error || code);
	if (code)
		w->code = *code;
}

static void compiled(void *userdata, struct module *module, uint32_t page, int error,
	const uint32_t *words, size_t n_words)
{
	struct world *w = userdata;

	w->answers++;
	w->error = error;
	w->page = page;
	w->n_words = n_words;
	if (!error)
		memcpy(w->words, words, n_words * UNWIND_WORD);
}

static void wait_for(struct world *w, unsigned answers)
{
	for (unsigned i = 0; w->answers < answers; i++) {
		assert_true(i < 10000);
		assert_true(sd_event_run(w->event, 30 * 1000 * 1000) > 0);
	}
	assert_int_equal(w->answers, answers);
}

static int ask_code(struct world *w, struct module *m)
{
	unsigned before = w->answers;

	assert_int_equal(unwinder_open(w->unwinder, m, opened, w), 0);
	assert_int_equal(w->answers, before);
	wait_for(w, before + 1);
	return w->error;
}

static int ask_page(struct world *w, struct module *m, uint32_t page)
{
	unsigned before = w->answers;

	assert_int_equal(unwinder_compile(w->unwinder, m, page, compiled, w), 0);
	assert_int_equal(w->answers, before);
	wait_for(w, before + 1);
	assert_int_equal(w->page, page);
	return w->error;
}

/* ---- modules ------------------------------------------------------------------------------ */

static struct module *module_of(int fd)
{
	struct module *m = module_new(MODULE_FILE, "/nowhere/file", strlen("/nowhere/file"));

	assert_non_null(m);
	assert_true(fd >= 0);
	assert_int_equal(module_take_file(m, fd), 0);
	return m;
}

static int open_self(void)
{
	return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

/* Some dozen pages. */
static int open_libc(void)
{
	return open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY | O_CLOEXEC);
}

static int copy_of_self(void)
{
	_cleanup_close_ int self = open_self();
	int fd = memfd_create("copy", MFD_CLOEXEC);
	char buffer[65536];
	ssize_t n;

	while ((n = read(self, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(fd, buffer, (size_t)n), n);
	return fd;
}

/* ---- against the compiler here ------------------------------------------------------------ */

struct reference {
	int fd;
	struct elf_file file;
	struct cfi_source source;
	struct unwind_module *compiler;
};

static void open_reference(struct reference *r, int fd)
{
	r->fd = fd;
	assert_int_equal(elf_file_open(&r->file, r->fd), 0);
	assert_int_equal(cfi_source_read(&r->source, &r->file), 0);
	assert_int_equal(unwind_module_open(&r->compiler, &r->source), 0);
}

static void close_reference(struct reference *r)
{
	unwind_module_close(r->compiler);
	elf_file_close(&r->file);
	close(r->fd);
}

static void expect_code(const struct world *w, const struct reference *r)
{
	const struct cfi_code *last = &r->source.code[r->source.n_code - 1];

	assert_int_equal(w->code.low, unwind_module_page(r->compiler, 0));
	assert_true(last->end - w->code.low > (w->code.n_pages - 1ULL) * UNWIND_PAGE_SIZE);
	assert_true(last->end - w->code.low <= (uint64_t)w->code.n_pages * UNWIND_PAGE_SIZE);
	assert_int_equal(w->code.has_cfi, r->source.n_frames > 0);
	assert_int_equal(w->code.n_segments, r->source.n_code);
	for (size_t i = 0; i < w->code.n_segments; i++) {
		const struct unwinder_segment *s = &w->code.segments[i];
		uint8_t byte;

		assert_int_equal(s->vaddr, r->source.code[i].start);
		assert_int_equal(s->size, r->source.code[i].end - s->vaddr);
		assert_int_equal(pread(r->fd, &byte, 1, (off_t)s->offset), 1);
		assert_int_equal(byte, r->source.code[i].bytes[0]);
	}
}

static void expect_page(const struct world *w, const struct reference *r)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	int n = unwind_module_compile(
		r->compiler, w->code.low + (uint64_t)w->page * UNWIND_PAGE_SIZE, words);

	assert_int_equal(w->n_words, n);
	assert_memory_equal(w->words, words, w->n_words * UNWIND_WORD);
}

/* All pages, or about `pages` of them. Returns how many they were. */
static unsigned check_file(struct world *w, struct module *m, uint32_t pages)
{
	struct reference r;
	unsigned n = 0;

	open_reference(&r, dup(m->fd));
	assert_int_equal(ask_code(w, m), 0);
	expect_code(w, &r);
	for (uint32_t i = 0; i < w->code.n_pages; i += w->code.n_pages / pages + 1, n++) {
		assert_int_equal(ask_page(w, m, i), 0);
		expect_page(w, &r);
	}
	close_reference(&r);
	return n;
}

/* Go where the shell would find it. */
static void find_go(char *path, size_t size)
{
	FILE *f = popen("readlink -f \"$(go env GOROOT)/bin/go\"", "r"); // NOLINT

	assert_non_null(f);
	assert_non_null(fgets(path, (int)size, f));
	assert_int_equal(pclose(f), 0);
	path[strcspn(path, "\n")] = '\0';
}

/* This program, the C library, a static-PIE, an interpreter, and one without .eh_frame. */
static void pages_are_the_compilers(void **state)
{
	struct world *w = *state;
	char go[4096];
	const char *paths[] = {"/proc/self/exe", "/lib/x86_64-linux-gnu/libc.so.6",
		"/sbin/ldconfig", "/usr/bin/python3", go};

	find_go(go, sizeof(go));
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct module *m = module_of(open(paths[i], O_RDONLY | O_CLOEXEC));
		uint64_t before = unwinder_stats(w->unwinder).compiled;
		unsigned n = check_file(w, m, i ? 20 : MAX_PAGES);

		assert_int_equal(unwinder_stats(w->unwinder).compiled - before, n);
		module_unref(m);
	}
	assert_int_equal(unwinder_stats(w->unwinder).cached, 0);
}

/* More than the helper keeps open. */
static void modules_take_turns(void **state)
{
	struct world *w = *state;
	struct module *modules[40];
	struct reference r;

	open_reference(&r, open_self());
	for (size_t i = 0; i < 40; i++)
		modules[i] = module_of(copy_of_self());
	for (uint32_t i = 0; i < 120; i++) {
		if (i < 40) {
			assert_int_equal(ask_code(w, modules[i]), 0);
			expect_code(w, &r);
		}
		assert_int_equal(ask_page(w, modules[i % 40], i % w->code.n_pages), 0);
		expect_page(w, &r);
	}
	for (size_t i = 0; i < 40; i++)
		module_unref(modules[i]);
	close_reference(&r);
}

static void the_vdso_has_tables(void **state)
{
	struct world *w = *state;
	uint64_t size;
	struct module *m = module_new_vdso(&size);

	assert_true(size > 0);
	check_file(w, m, MAX_PAGES);
	assert_true(w->code.has_cfi);
	restart(w);
	check_file(w, m, MAX_PAGES);
	assert_int_equal(unwinder_stats(w->unwinder).cached, 0);
	module_unref(m);
}

/* Program headers are enough; without the one that leads to CFI there is none. */
static void files_without_sections(void **state)
{
	struct world *w = *state;

	for (int hidden = 0; hidden < 2; hidden++) {
		int fd = copy_of_self();
		struct module *m;
		Elf64_Ehdr header;
		Elf64_Phdr ph;

		assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
		header.e_shoff = 0;
		header.e_shnum = header.e_shstrndx = 0;
		assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
		for (size_t i = 0; hidden && i < header.e_phnum; i++) {
			off_t at = (off_t)(header.e_phoff + i * sizeof(ph));

			assert_int_equal(pread(fd, &ph, sizeof(ph), at), sizeof(ph));
			if (ph.p_type == PT_GNU_EH_FRAME)
				ph.p_type = PT_NULL;
			assert_int_equal(pwrite(fd, &ph, sizeof(ph), at), sizeof(ph));
		}
		m = module_of(fd);
		check_file(w, m, 5);
		assert_int_equal(w->code.has_cfi, !hidden);
		restart(w);
		check_file(w, m, 5);
		assert_int_equal(unwinder_stats(w->unwinder).cached > 0, !hidden);
		module_unref(m);
	}
}

static int find_rule(const struct world *w)
{
	return page_find((const struct unwind_page *)w->words, ELF_CODE);
}

static void sections_are_inflated(void **state)
{
	struct world *w = *state;

	for (enum how how = PLAIN; how <= OLD; how++) {
		struct module *m = module_of(elf_fixture(how, true, true));

		assert_int_equal(ask_code(w, m), 0);
		assert_true(w->code.has_cfi);
		assert_int_equal(ask_page(w, m, 0), 0);
		assert_int_equal(find_rule(w), 3);
		module_unref(m);
	}
}

/* The debug file comes after it was looked for the first time: that there is none is not kept. */
static void debug_files_are_found(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(elf_fixture(PLAIN, true, false));
	_cleanup_close_ int debug = elf_fixture(COMPRESSED, false, true);
	char path[128], bytes[8192];
	ssize_t size = pread(debug, bytes, sizeof(bytes), 0);
	FILE *f;

	assert_int_equal(ask_code(w, m), 0);
	assert_false(w->code.has_cfi);
	assert_int_equal(ask_page(w, m, 0), 0);
	assert_int_equal(find_rule(w), UNWIND_ESCAPE | UNWIND_NONE);

	snprintf(path, sizeof(path), "%s/.build-id", w->folder);
	assert_int_equal(mkdir(path, 0755), 0);
	strcat(path, "/01");
	assert_int_equal(mkdir(path, 0755), 0);
	strcat(path, "/020304.debug");
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(size > 0 && fwrite(bytes, (size_t)size, 1, f) == 1);
	fclose(f);
	for (uint64_t cached = 0; cached < 2; cached++) {
		restart(w);
		assert_int_equal(ask_code(w, m), 0);
		assert_true(w->code.has_cfi);
		assert_int_equal(ask_page(w, m, 0), 0);
		assert_int_equal(find_rule(w), 3);
		assert_int_equal(unwinder_stats(w->unwinder).cached, cached);
	}
	module_unref(m);
}

static void expect_refused(struct world *w, int fd, int error)
{
	struct module *m = module_of(fd);

	assert_int_equal(ask_code(w, m), error);
	assert_int_equal(ask_page(w, m, 0), error);
	module_unref(m);
}

static int changed_self(off_t at, const void *bytes, size_t size)
{
	int fd = copy_of_self();

	assert_int_equal(pwrite(fd, bytes, size, at), size);
	return fd;
}

static void other_files_have_none(void **state)
{
	static const uint8_t class32 = ELFCLASS32, big = ELFDATA2MSB;
	static const uint16_t arm = EM_AARCH64;
	struct world *w = *state;
	struct module *m;
	char path[128];

	expect_refused(w, open("/etc/passwd", O_RDONLY | O_CLOEXEC), -ENOEXEC);
	expect_refused(w, memfd_create("empty", MFD_CLOEXEC), -ENOEXEC);
	expect_refused(w, changed_self(EI_CLASS, &class32, 1), -ENOTSUP);
	expect_refused(w, changed_self(EI_DATA, &big, 1), -ENOTSUP);
	expect_refused(
		w, changed_self(offsetof(Elf64_Ehdr, e_machine), &arm, sizeof(arm)), -ENOTSUP);
	expect_refused(w, elf_fixture(PLAIN, false, true), -ENOEXEC); /* no code */
	m = module_of(open_self());
	m->kind = MODULE_ANON;
	assert_int_equal(ask_code(w, m), -ENOEXEC);
	m->kind = MODULE_FILE;
	assert_int_equal(ask_code(w, m), 0);
	assert_int_equal(ask_page(w, m, w->code.n_pages), -EINVAL);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 0);
	module_unref(m);

	/* They leave no files behind, but for the one that was compiled. */
	snprintf(path, sizeof(path), "test $(ls %s/unwind | wc -l) = 1", w->folder);
	assert_int_equal(system(path), 0); // NOLINT
}

static void the_filter_is_in_force(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open_self());

	assert_int_equal(ask_page(w, m, 0), 0);
#if defined(__SANITIZE_ADDRESS__)
	assert_false(unwinder_stats(w->unwinder).seccomp);
#else
	assert_true(unwinder_stats(w->unwinder).seccomp);
#endif
	module_unref(m);
}

/* ---- waiting ------------------------------------------------------------------------------ */

/* Others are served meanwhile. */
static void a_file_that_opens_later_is_waited_for(void **state)
{
	struct world *w = *state;
	struct module *late = module_new(MODULE_FILE, "/late", 5), *early = module_of(open_self());
	struct module *same = module_new(MODULE_FILE, "/same", 5);

	assert_int_equal(unwinder_open(w->unwinder, late, opened, w), 0);
	assert_int_equal(unwinder_compile(w->unwinder, late, 1, compiled, w), 0);
	assert_int_equal(unwinder_compile(w->unwinder, same, 0, compiled, w), 0);
	assert_int_equal(unwinder_compile(w->unwinder, early, 0, compiled, w), 0);
	wait_for(w, 1);
	assert_int_equal(w->page, 0);
	assert_int_equal(module_take_file(late, copy_of_self()), 0);
	module_settle(late);
	wait_for(w, 3);
	assert_int_equal(w->page, 1);
	assert_int_equal(w->error, 0);

	/* The same file under another key. */
	same->state = MODULE_OPEN;
	same->same = module_ref(early);
	module_settle(same);
	wait_for(w, 4);
	assert_int_equal(w->page, 0);
	assert_int_equal(w->error, 0);
	module_unref(late);
	module_unref(same);
	module_unref(early);
}

static void no_file_no_tables(void **state)
{
	struct world *w = *state;
	struct module *m = module_new(MODULE_FILE, "/gone", 5);

	assert_int_equal(unwinder_open(w->unwinder, m, opened, w), 0);
	module_give_up(m, -EACCES);
	assert_int_equal(w->answers, 0);
	wait_for(w, 1);
	assert_int_equal(w->error, -ENOENT);
	assert_int_equal(ask_page(w, m, 0), -ENOENT);
	module_unref(m);
}

static void open_requests_are_cancelled(void **state)
{
	struct world *w = *state;
	struct module *late = module_new(MODULE_FILE, "/late", 5), *m = module_of(open_self());

	assert_int_equal(unwinder_open(w->unwinder, late, opened, w), 0);
	assert_int_equal(unwinder_compile(w->unwinder, m, 0, compiled, w), 0);
	assert_int_equal(unwinder_open(w->unwinder, m, opened, w), 0);
	assert_true(sd_event_run(w->event, 0) >= 0);
	unwinder_free(w->unwinder);
	w->unwinder = NULL;
	assert_int_equal(w->answers, 3);
	assert_int_equal(w->error, -ECANCELED);
	module_give_up(late, -ECANCELED);
	assert_int_equal(w->answers, 3);
	module_unref(late);
	module_unref(m);
}

static unsigned children(void)
{
	char path[64], line[256] = "";
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	assert_non_null(f);
	if (fgets(line, sizeof(line), f))
		for (const char *p = line; (p = strchr(p, ' ')); p++)
			n++;
	fclose(f);
	return n;
}

static void an_idle_helper_ends(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open_self());

	assert_int_equal(ask_page(w, m, 0), 0);
	assert_int_equal(children(), 1);
	shortened = 3000000;
	assert_int_equal(ask_code(w, m), 0);
	for (unsigned i = 0; i < 100 && children(); i++)
		assert_true(sd_event_run(w->event, 1000 * 1000) >= 0);
	assert_int_equal(children(), 0);
	shortened = 0;
	assert_int_equal(ask_code(w, m), 0);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 0);
	module_unref(m);
}

/* ---- the cache ---------------------------------------------------------------------------- */

static void a_restart_compiles_nothing(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open_libc());
	unsigned n = check_file(w, m, MAX_PAGES);

	assert_int_equal(unwinder_stats(w->unwinder).compiled, n);
	check_file(w, m, MAX_PAGES);
	assert_int_equal(unwinder_stats(w->unwinder).cached, n);
	restart(w);
	check_file(w, m, MAX_PAGES);
	assert_int_equal(unwinder_stats(w->unwinder).compiled, 0);
	assert_int_equal(unwinder_stats(w->unwinder).cached, n);
	module_unref(m);
}

/* Another size, time, or place is another file. */
static void a_changed_file_is_compiled_anew(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(copy_of_self());

	check_file(w, m, 3);
	for (int i = 0; i < 5; i++) {
		m->device += i == 0;
		m->inode += i == 1;
		m->size += i == 2;
		m->mtime.tv_nsec += i == 3;
		m->ctime.tv_nsec += i == 4;
		uint64_t before = unwinder_stats(w->unwinder).cached;

		check_file(w, m, 3);
		assert_int_equal(unwinder_stats(w->unwinder).cached, before);
	}
	module_unref(m);
}

static int open_cache_file(const struct world *w)
{
	char command[128], path[160] = "";
	FILE *f;

	snprintf(command, sizeof(command), "ls -d %s/unwind/*", w->folder);
	f = popen(command, "r"); // NOLINT
	assert_non_null(f);
	assert_non_null(fgets(path, sizeof(path), f));
	pclose(f);
	path[strcspn(path, "\n")] = '\0';
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Whatever happens to the file, what comes out is right, and the next time it is whole. */
static void broken_caches_are_replaced(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open_libc());
	unsigned n = check_file(w, m, 10);
	struct stat st;

	for (unsigned i = 0; i < 16; i++) {
		_cleanup_close_ int fd = open_cache_file(w);
		off_t at;
		uint8_t byte;

		assert_int_equal(fstat(fd, &st), 0);
		at = st.st_size * i / 16;
		if (i % 2) {
			assert_int_equal(ftruncate(fd, at), 0);
		} else {
			assert_int_equal(pread(fd, &byte, 1, at), 1);
			byte ^= 0x10;
			assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		}
		restart(w);
		check_file(w, m, 10);
		restart(w);
		check_file(w, m, 10);
		assert_int_equal(unwinder_stats(w->unwinder).compiled, 0);
		assert_int_equal(unwinder_stats(w->unwinder).cached, n);
	}
	module_unref(m);
}

/* A disk that takes nothing: tables are made all the same. */
static void a_full_disk_is_no_error(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open_self());

	setenv(HOW, "full", 1);
	check_file(w, m, 5);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 0);
	restart(w);
	check_file(w, m, 5);
	assert_int_equal(unwinder_stats(w->unwinder).cached, 0);
	module_unref(m);
}

static void a_bad_folder_is_no_error(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open_self());

	unwinder_free(w->unwinder);
	assert_int_equal(unwinder_new(&w->unwinder, w->event, w->opener, "/dev/null"), 0);
	check_file(w, m, 3);
	unwinder_free(w->unwinder);
	start(w, false);
	check_file(w, m, 3);
	module_unref(m);
}

/* ---- trouble ------------------------------------------------------------------------------ */

static void one_death_is_forgiven(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open_self());
	char path[128];

	snprintf(path, sizeof(path), "once:%s/died", w->folder);
	setenv(HOW, path, 1);
	check_file(w, m, 3);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 1);
	assert_int_equal(unwinder_stats(w->unwinder).bad_modules, 0);
	module_unref(m);
}

/* The module is skipped from then on, also when it is opened anew; others are not. */
static void expect_given_up(struct world *w, const char *how)
{
	struct module *m = module_of(copy_of_self()), *other = module_of(open_self());
	struct unwinder_stats before;
	struct module *again;

	setenv(HOW, how, 1);
	assert_int_equal(unwinder_open(w->unwinder, m, opened, w), 0);
	assert_int_equal(unwinder_open(w->unwinder, m, opened, w), 0);
	wait_for(w, 2);
	assert_int_equal(w->error, -EIO);
	before = unwinder_stats(w->unwinder);
	assert_int_equal(before.bad_modules, 1);
	shortened = 0;
	again = module_of(dup(m->fd));
	assert_int_equal(ask_page(w, again, 0), -EIO);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, before.crashes);
	unsetenv(HOW);
	check_file(w, other, 2);
	module_unref(again);
	module_unref(m);
	module_unref(other);
}

static void a_module_that_kills_is_given_up(void **state)
{
	struct world *w = *state;

	expect_given_up(w, "crash");
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 2);
}

static void a_module_that_hangs_is_given_up(void **state)
{
	struct world *w = *state;

	shortened = 10000000 - 50000;
	expect_given_up(w, "hang");
	assert_int_equal(unwinder_stats(w->unwinder).timeouts, 1);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 0);
}

static void expect_refused_answer(struct world *w, const char *how)
{
	expect_given_up(w, how);
	assert_int_equal(unwinder_stats(w->unwinder).refused_answers, 1);
}

static void broken_answers_are_refused(void **state)
{
	expect_refused_answer(*state, "nonsense");
}

static void long_answers_are_refused(void **state)
{
	expect_given_up(*state, "long");
}

static void wants_are_checked(void **state)
{
	expect_refused_answer(*state, "want-path");
}

static void endless_wants_are_refused(void **state)
{
	expect_refused_answer(*state, "want-forever");
}

static void endless_greetings_are_refused(void **state)
{
	expect_refused_answer(*state, "hello-forever");
}

/* ---- the helper ----------------------------------------------------------------------------- */

static void say(uint32_t type, const void *data, uint32_t size)
{
	struct helper_head head = {type, size};

	stream_write(HELPER_SOCKET, &head, sizeof(head));
	stream_write(HELPER_SOCKET, data, size);
}

/* Reads one request; exits when there are no more. */
static void next_request(void)
{
	struct helper_head head;
	struct unwinder_request request;

	if (stream_read(HELPER_SOCKET, &head, sizeof(head), NULL) ||
		stream_read(HELPER_SOCKET, &request, sizeof(request), NULL))
		_exit(0);
}

static int misbehave(const char *how)
{
	static const struct unwinder_answer nonsense = {.cached = 7};
	static const struct helper_hello hello;
	static const struct helper_head lengthy = {HELPER_ANSWER, UNWINDER_MAX_ANSWER + 1};

	next_request();
	if (!strcmp(how, "nonsense"))
		say(HELPER_ANSWER, &nonsense, sizeof(nonsense));
	else if (!strcmp(how, "long"))
		stream_write(HELPER_SOCKET, &lengthy, sizeof(lengthy));
	else if (!strcmp(how, "want-path"))
		say(HELPER_WANT, "../etc/shadow", 13);
	while (!strcmp(how, "want-forever")) {
		struct helper_head head;

		say(HELPER_WANT, "no-such-file", 12);
		if (stream_read(HELPER_SOCKET, &head, sizeof(head), NULL))
			_exit(0);
	}
	while (!strcmp(how, "hello-forever"))
		say(HELPER_HELLO, &hello, sizeof(hello));
	if (!strcmp(how, "crash"))
		_exit(1);
	pause();
	return 0;
}

/* True the first time. */
static bool first_time(const char *marker)
{
	int fd = open(marker, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	close_fd(fd);
	return fd >= 0;
}

static int helper(char **argv)
{
	const char *how = getenv(HOW);
	struct rlimit nothing = {0, 0};

	if (!strcmp(argv[2], "opener"))
		return opener_main(argv[3]);
	if (!how)
		return unwinder_main(argv[3]);
	if (!strncmp(how, "once:", 5)) {
		if (!first_time(how + 5))
			return unwinder_main(argv[3]);
		how = "crash";
	} else if (!strcmp(how, "full")) {
		setrlimit(RLIMIT_FSIZE, &nothing);
		return unwinder_main(argv[3]);
	}
	return misbehave(how);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_are_the_compilers),
		TEST(modules_take_turns),
		TEST(the_vdso_has_tables),
		TEST(files_without_sections),
		TEST(sections_are_inflated),
		TEST(debug_files_are_found),
		TEST(other_files_have_none),
		TEST(the_filter_is_in_force),
		TEST(a_file_that_opens_later_is_waited_for),
		TEST(no_file_no_tables),
		TEST(open_requests_are_cancelled),
		TEST(an_idle_helper_ends),
		TEST(a_restart_compiles_nothing),
		TEST(a_changed_file_is_compiled_anew),
		TEST(broken_caches_are_replaced),
		TEST(a_full_disk_is_no_error),
		TEST(a_bad_folder_is_no_error),
		TEST(one_death_is_forgiven),
		TEST(a_module_that_kills_is_given_up),
		TEST(a_module_that_hangs_is_given_up),
		TEST(broken_answers_are_refused),
		TEST(long_answers_are_refused),
		TEST(wants_are_checked),
		TEST(endless_wants_are_refused),
		TEST(endless_greetings_are_refused),
	};

	if (argc > 2 && !strcmp(argv[1], "--helper"))
		return helper(argv);
	elf_version(EV_CURRENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
