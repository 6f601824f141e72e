// SPDX-License-Identifier: MIT
/*
 * Heap sites of a profiled process's file. The first byte chooses: a whole ELF file, the code of a
 * function, or an operand of a USDT probe. Whatever is found must pass the collector's check.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collector/sites_answer.h"
#include "sites/sites.h"
#include "sites/x86_64.h"
#include "unwinder/code_modules.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

/* ---- a file --------------------------------------------------------------------------------- */

struct message {
	struct unwinder_sites head;
	uint8_t arrays[sizeof(struct sites_found)];
};

static void check(const struct sites_found *found, const struct unwinder_layout *layout)
{
	static struct message m;
	size_t sites = found->n_sites * sizeof(*found->sites);
	size_t probes = found->n_probes * sizeof(*found->probes);
	size_t rets = found->n_rets * sizeof(*found->rets);
	struct heap_sites out;

	m.head = (struct unwinder_sites){
		.allocator = found->allocator,
		.no_symbols = found->no_symbols,
		.incomplete = found->incomplete,
		.n_sites = found->n_sites,
		.n_probes = found->n_probes,
		.n_rets = found->n_rets,
		.layout = *layout,
	};
	memcpy(m.arrays, found->sites, sites);
	memcpy(m.arrays + sites, found->probes, probes);
	memcpy(m.arrays + sites + probes, found->rets, rets);
	require(!sites_answer_check(&out, &m, sizeof(m.head) + sites + probes + rets));
}

static int no_debug_file(void *userdata, const char *name)
{
	return -1;
}

static void find_in_file(const uint8_t *data, size_t size)
{
	static struct sites_found found;
	const struct file_identity identity = {.inode = 1};
	struct code_modules modules = {.heap_limit = SIZE_MAX, .want = no_debug_file};
	struct code_module *m;
	int fd = memfd_create("elf", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	if (!code_modules_get(&modules, &identity, &fd, &m) && !sites_find(&m->file, &found))
		check(&found, &m->layout);
	code_modules_close(&modules);
	close_fd(fd);
}

/* ---- parts ---------------------------------------------------------------------------------- */

/* In memory of its own, so that a read beyond its end is seen. */
static void find_in_code(const uint8_t *data, size_t size)
{
	struct heap_site site = {.function = data[0] % HEAP_FUNCTIONS};
	uint8_t *code = malloc(size);
	struct site_jump jump;
	struct site_step step;
	size_t offset = 0;

	require(code);
	memcpy(code, data, size);
	if (x86_64_find_probe(code, size, &site))
		require(site.probe < size &&
			site.emulated == x86_64_is_emulated(code + site.probe, size - site.probe));
	x86_64_forwards(code, size, 0x1000, &jump);
	while (x86_64_find_jump(code, size, 0x1000, &offset, &jump))
		require(offset <= size);
	for (offset = 0; offset < size; offset++)
		if (x86_64_step(code + offset, size - offset, 0x1000, &step))
			require(step.size && step.size <= size - offset);
	free(code);
}

static void parse(const uint8_t *data, size_t size)
{
	struct heap_argument argument = {0};
	const char *symbol;
	size_t length = 0;
	char *text = malloc(size);

	require(text);
	memcpy(text, data, size);
	if (x86_64_parse_operand(text, size, &argument, &symbol, &length) && symbol)
		require(symbol >= text && length && symbol + length <= text + size);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (*data == 'E')
		find_in_file(data + 1, size - 1);
	else if (*data == 'C')
		find_in_code(data + 1, size - 1);
	else
		parse(data + 1, size - 1);
	return 0;
}
