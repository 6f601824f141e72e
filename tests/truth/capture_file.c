// SPDX-License-Identifier: MIT
#include "capture_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "util/cleanup.h"

int capture_file_open(struct capture_file *file, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *bytes = NULL;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (st.st_size) {
		bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (bytes == MAP_FAILED)
			return -errno;
	}
	*file = (struct capture_file){.bytes = bytes, .size = (size_t)st.st_size};
	return 0;
}

void capture_file_close(struct capture_file *file)
{
	if (file->size)
		munmap((void *)(uintptr_t)file->bytes, file->size);
	*file = (struct capture_file){0};
}

static int read_maps(struct capture_record *record, const uint8_t *body, size_t size)
{
	struct capture_maps maps;

	if (size < sizeof(maps))
		return -EBADMSG;
	memcpy(&maps, body, sizeof(maps));
	record->pid = maps.pid;
	record->maps = (const char *)body + sizeof(maps);
	record->maps_size = size - sizeof(maps);
	return 1;
}

static int read_sample(struct capture_record *record, const uint8_t *body, size_t size)
{
	struct capture_sample *s = &record->sample;

	if (size < sizeof(*s))
		return -EBADMSG;
	memcpy(s, body, sizeof(*s));
	if (size != sizeof(*s) + (uint64_t)s->n_user * sizeof(uint64_t) + s->stack_size)
		return -EBADMSG;
	record->pid = s->pid;
	record->frames = body + sizeof(*s);
	record->stack = record->frames + s->n_user * sizeof(uint64_t);
	return 1;
}

int capture_file_next(struct capture_file *file, struct capture_record *record)
{
	size_t left = file->size - file->at;
	const uint8_t *body = file->bytes + file->at + sizeof(struct capture_head);
	struct capture_head head;

	if (!left)
		return 0;
	if (left < sizeof(head))
		return -EBADMSG;
	memcpy(&head, file->bytes + file->at, sizeof(head));
	if (head.size > left - sizeof(head))
		return -EBADMSG;
	file->at += sizeof(head) + head.size;
	*record = (struct capture_record){.kind = head.kind};
	switch (head.kind) {
	case CAPTURE_MAPS:
		return read_maps(record, body, head.size);
	case CAPTURE_SAMPLE:
		return read_sample(record, body, head.size);
	default:
		return -EBADMSG;
	}
}
