// SPDX-License-Identifier: MIT
/* compile_tables FILE... - compiles all unwind tables of each file, and says how fast and how
 * large. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "symbolizer/elf_file.h"
#include "unwind/cfi_source.h"
#include "unwind/compile.h"

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t code_bytes(const struct cfi_source *source)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < source->n_code; i++)
		bytes += source->code[i].end - source->code[i].start;
	return bytes;
}

/* Prints "code MiB, pages, tables MiB, tables/code %, ms, MiB of code a second". */
static int compile(struct elf_file *file, const char *path)
{
	static uint32_t words[UNWIND_PAGE_WORDS];
	struct cfi_source source;
	struct unwind_module *module;
	uint64_t total = 0, pages = 0;
	double start = seconds(), mib, took;

	if (cfi_source_read(&source, file) || unwind_module_open(&module, &source))
		return 1;
	for (uint64_t page = 0; (page = unwind_module_page(module, page)) != UINT64_MAX;
		page += UNWIND_PAGE_SIZE, pages++) {
		int n = unwind_module_compile(module, page, words);

		if (n < 0)
			return 1;
		total += (uint64_t)n * UNWIND_WORD;
	}
	unwind_module_close(module);
	took = seconds() - start;
	mib = (double)code_bytes(&source) / (1 << 20);
	printf("%s\t%.1f\t%llu\t%.2f\t%.1f\t%.0f\t%.0f\n", path, mib, (unsigned long long)pages,
		(double)total / (1 << 20), 100.0 * (double)total / (mib * (1 << 20)), took * 1e3,
		mib / took);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		struct elf_file file;
		int fd = open(argv[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0 || elf_file_open(&file, fd)) {
			fprintf(stderr, "compile_tables: %s cannot be read\n", argv[i]);
			failed = 1;
			continue;
		}
		failed |= compile(&file, argv[i]);
		elf_file_close(&file);
		close(fd);
	}
	return failed;
}
