// SPDX-License-Identifier: MIT
#include "collector/array_map.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>

#include "util/cleanup.h"

void *array_map_values(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

int array_map_add(int outer, uint32_t key, const char *name, size_t size, int prot, void **value)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	_cleanup_close_ int fd = bpf_map_create(
		BPF_MAP_TYPE_ARRAY, name, sizeof(uint32_t), (uint32_t)size, 1, &options);
	void *p;
	int r;

	if (fd < 0)
		return fd;
	p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	r = bpf_map_update_elem(outer, &key, &fd, BPF_ANY);
	if (r < 0) {
		munmap(p, size);
		return r;
	}
	*value = p;
	return 0;
}
