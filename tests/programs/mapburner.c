// SPDX-License-Identifier: MIT
/*
 * mapburner SECONDS - calls bpf_map_update_elem as fast as it can. While the kernel is in there it
 * runs no BPF program on that CPU, so a part of the clock's ticks never reaches profd.
 */
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "truth.h"

static long bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

int main(int argc, char **argv)
{
	uint64_t end = wall_ns() + (uint64_t)(argument(argc, argv, 1, 5) * 1e9);
	union bpf_attr create = {
		.map_type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 8, .max_entries = 1024};
	long map = bpf(BPF_MAP_CREATE, &create);
	uint64_t value = 0;
	uint32_t key = 0;

	if (map < 0) {
		perror("mapburner");
		return 1;
	}
	ready();
	while (wall_ns() < end) {
		for (int i = 0; i < 1000; i++) {
			union bpf_attr update = {.map_fd = (uint32_t)map,
				.key = (uint64_t)(uintptr_t)&key,
				.value = (uint64_t)(uintptr_t)&value};

			key = (uint32_t)(value++ % 1024);
			bpf(BPF_MAP_UPDATE_ELEM, &update);
		}
	}
	printf("updates %llu\n", (unsigned long long)value);
	print_cpu();
	return 0;
}
