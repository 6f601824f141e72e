/* SPDX-License-Identifier: MIT */
/* What a process has in use, for a client who looks what of it can be reached. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "collector/heap.h"
#include "collector/heap_watch.h"
#include "collector/recording_impl.h"
#include "profd/control.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/whole.h"

static void forget(struct recording_blocks *b)
{
	free(b->items);
	*b = (struct recording_blocks){0};
}

int recording_ask_blocks(struct recording *r, uint32_t pid)
{
	if (!r->watch || !r->is_ready || r->stopping || !r->request.ages)
		return -EINVAL;
	forget(&r->blocks);
	r->blocks.pid = pid;
	r->blocks.wanted = monotonic_now();
	collector_drain_soon(r->c);
	return 0;
}

/* A descriptor or -errno. */
static int to_memory(const struct recording_blocks *b)
{
	_cleanup_close_ int fd = memfd_create("profd-blocks", MFD_CLOEXEC);
	int e = fd < 0 ? -errno : write_whole(fd, b->items, b->n * sizeof(*b->items), 0);

	return e ? e : take_fd(fd);
}

void recording_blocks_settle(struct recording *r, uint64_t horizon)
{
	struct recording_blocks *b = &r->blocks;
	int fd;

	if (!b->wanted || horizon < b->wanted)
		return;
	b->wanted = 0;
	fd = heap_blocks(stream_heap(r->stream), b->pid, &b->items, &b->n);
	if (!fd)
		fd = to_memory(b);
	if (fd < 0)
		log_error("recording %u: what process %u has in use cannot be handed out: %s",
			recording_session(r), b->pid, strerror(-fd));
	r->request.blocks(r->userdata, b->pid, fd < 0 ? 0 : b->n, fd);
}

int recording_take_reach(struct recording *r, uint32_t pid, const char *reach)
{
	struct recording_blocks *b = &r->blocks;
	size_t n = strlen(reach);

	if (!b->items || b->pid != pid || (n && n != b->n))
		return -EINVAL;
	if (n)
		heap_reached(stream_heap(r->stream), pid, b->items, n, reach);
	forget(b);
	return 0;
}

void recording_blocks_end(struct recording *r)
{
	forget(&r->blocks);
}
