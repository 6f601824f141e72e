// SPDX-License-Identifier: MIT
/*
 * Unwind tables of real and of made files, from the helper in its sandbox and from the cache.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_fixture.h"
#include "sites/sites.h"
#include "unwind/page.h"
#include "unwinder/code_modules.h"
#include "unwinder_fixture.h"

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

static int no_debug_file(void *userdata, const char *name)
{
	return -1;
}

/* Their indexes count, and the least recently used is closed first. */
static void open_modules_are_limited(void **state)
{
	struct code_modules modules = {.heap_limit = SIZE_MAX, .want = no_debug_file};
	struct code_module *m;

	for (uint64_t i = 0; i <= CODE_MODULES_MAX; i++) {
		struct file_identity identity = {.inode = i};
		int fd = open_self();

		assert_int_equal(code_modules_get(&modules, &identity, &fd, &m), 0);
		assert_int_equal(fd, -1);
	}
	assert_int_equal(modules.n, CODE_MODULES_MAX);
	for (uint64_t i = CODE_MODULES_MAX + 1; i--;) {
		struct file_identity identity = {.inode = i};
		int fd = i ? -1 : open_self();

		assert_int_equal(code_modules_get(&modules, &identity, &fd, &m), 0);
		assert_int_equal(m->identity.inode, i);
	}
#if !defined(__SANITIZE_ADDRESS__) /* it knows nothing of mallinfo2() */
	struct file_identity last = {.inode = 0};
	int fd = -1;

	modules.heap_limit = 1;
	assert_int_equal(code_modules_get(&modules, &last, &fd, &m), 0);
	assert_int_equal(modules.n, 1);
#endif
	code_modules_close(&modules);
	assert_int_equal(modules.n, 0);
	assert_null(modules.by_use);
}

/* It gives back the memory that the file is mapped to. */
static void large_modules_are_opened_anew(void **state)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	const struct file_identity identity = {.inode = 1};
	struct code_modules modules = {.heap_limit = SIZE_MAX, .want = no_debug_file};
	struct code_module *m;
	unsigned opened_anew = 0;

	for (unsigned i = 0; i < 3 * CODE_MODULES_PAGES; i++) {
		int fd = open_self();

		assert_int_equal(code_modules_get(&modules, &identity, &fd, &m), 0);
		opened_anew += fd < 0;
		close_fd(fd);
		assert_true(code_modules_compile(&modules, m, 0, words) > 0);
		assert_int_equal(modules.n, 1);
	}
	assert_int_equal(opened_anew, 3);
	code_modules_close(&modules);
}

static void the_vdso_has_tables(void **state)
{
	struct world *w = *state;
	uint64_t size;
	struct module *m = module_new_vdso(&size);

	assert_true(size > 0);
	check_file(w, m, MAX_PAGES);
	assert_true(w->code.has_rules);
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
		assert_int_equal(w->code.has_rules, !hidden);
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
		assert_true(w->code.has_rules);
		assert_int_equal(ask_page(w, m, 0), 0);
		assert_int_equal(find_rule(w), 3);
		module_unref(m);
	}
}

/* The debug file comes after it was looked for the first time: that there is none is not kept; nor
 * where a bit of the code is known without CFI, as what returns from signals: mov $15, %rax;
 * syscall. */
static void debug_files_are_found(void **state)
{
	static const uint8_t known[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	struct world *w = *state;
	memcpy(elf_code + sizeof(elf_code) - sizeof(known), known, sizeof(known));
	struct module *m = module_of(elf_fixture(PLAIN, true, false));
	_cleanup_close_ int debug = elf_fixture(COMPRESSED, false, true);
	char path[128], bytes[8192];
	ssize_t size = pread(debug, bytes, sizeof(bytes), 0);
	FILE *f;

	memset(elf_code, 0, sizeof(elf_code));
	assert_int_equal(ask_code(w, m), 0);
	assert_true(w->code.has_rules);
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
		assert_true(w->code.has_rules);
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

/* ---- sites ---------------------------------------------------------------------------------- */

static void expect_found(const struct heap_sites *sites, const struct sites_found *wanted)
{
	assert_int_equal(sites->allocator, wanted->allocator);
	assert_int_equal(sites->no_symbols, wanted->no_symbols);
	assert_int_equal(sites->incomplete, wanted->incomplete);
	assert_int_equal(sites->n_sites, wanted->n_sites);
	assert_int_equal(sites->n_probes, wanted->n_probes);
	assert_memory_equal(sites->sites, wanted->sites, sites->n_sites * sizeof(*sites->sites));
	assert_memory_equal(
		sites->probes, wanted->probes, sites->n_probes * sizeof(*sites->probes));
}

static void check_sites(struct world *w, const char *path, bool functions, bool probes)
{
	static struct sites_found wanted;
	struct module *m = module_of(open(path, O_RDONLY | O_CLOEXEC));
	struct elf_file file;

	assert_int_equal(elf_file_open(&file, m->fd), 0);
	assert_int_equal(sites_find(&file, &wanted), 0);
	elf_file_close(&file);
	assert_int_equal(wanted.n_sites > 0, functions);
	assert_int_equal(wanted.n_probes > 0, probes);
	assert_null(heap_sites_of(m));
	assert_int_equal(ask_sites(w, m), 0);
	expect_found(w->sites, &wanted);
	assert_ptr_equal(heap_sites_of(m), w->sites);
	assert_int_equal(ask_page(w, m, 0), 0);
	module_unref(m);
}

/* Libraries with functions, one with probes, and one with nothing; between pages that are compiled
 * and that come from the cache. */
static void sites_are_the_finders(void **state)
{
	struct world *w = *state;
	char probes[4096] = "";
	ssize_t n = readlink("/proc/self/exe", probes, 4000);

	assert_true(n > 0);
	strcpy(strrchr(probes, '/'), "/sites_probes.so");
	for (int round = 0; round < 2; round++) {
		check_sites(w, "/lib/x86_64-linux-gnu/libc.so.6", true, false);
		check_sites(w, "/usr/lib/x86_64-linux-gnu/libmimalloc.so.2.0", true, false);
		check_sites(w, "/lib/x86_64-linux-gnu/libm.so.6", false, false);
		check_sites(w, probes, false, true);
	}
	assert_int_equal(unwinder_stats(w->unwinder).cached, 4);
	assert_int_equal(unwinder_stats(w->unwinder).refused_answers, 0);
	assert_int_equal(unwinder_stats(w->unwinder).crashes, 0);
}

static void other_files_have_no_sites(void **state)
{
	struct world *w = *state;
	struct module *m = module_of(open("/etc/passwd", O_RDONLY | O_CLOEXEC));

	assert_int_equal(ask_sites(w, m), -ENOEXEC);
	module_unref(m);
	m = module_new(MODULE_FILE, "/gone", 5);
	module_give_up(m, -EACCES);
	assert_int_equal(ask_sites(w, m), -ENOENT);
	module_unref(m);
}

/* ------------------------------------------------------------------------------------------- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_are_the_compilers),
		TEST(modules_take_turns),
		cmocka_unit_test(open_modules_are_limited),
		cmocka_unit_test(large_modules_are_opened_anew),
		TEST(the_vdso_has_tables),
		TEST(files_without_sections),
		TEST(sections_are_inflated),
		TEST(debug_files_are_found),
		TEST(other_files_have_none),
		TEST(sites_are_the_finders),
		TEST(other_files_have_no_sites),
		TEST(the_filter_is_in_force),
		TEST(a_restart_compiles_nothing),
		TEST(a_changed_file_is_compiled_anew),
		TEST(broken_caches_are_replaced),
		TEST(a_bad_folder_is_no_error),
	};

	if (argc > 2 && !strcmp(argv[1], "--helper"))
		return strcmp(argv[2], "opener") ? unwinder_main(argv[3]) : opener_main(argv[3]);
	elf_version(EV_CURRENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
