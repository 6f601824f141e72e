// SPDX-License-Identifier: MIT
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "terminal.h"
#include "util/cleanup.h"
#include "util/log.h"

/* xterm's control sequences, which all terminals of today know. */
#define ENTER	"\033[?1049h\033[?25l"
#define LEAVE	"\033[?25h\033[?1049l"
#define HOME	"\033[H"
#define ERASE	"\033[K" /* to the end of the line */
#define BELOW	"\033[J" /* all lines below */
#define REVERSE "\033[7m"
#define PLAIN	"\033[0m"

#define DEFAULT_LINES 24

static void put(const char *text, size_t n)
{
	while (n) {
		ssize_t done = write(STDOUT_FILENO, text, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return;
		text += done;
		n -= (size_t)done;
	}
}

static void enter(struct screen *s)
{
	if (s->is_terminal)
		put(ENTER, strlen(ENTER));
	if (s->has_keys) {
		struct termios raw = s->before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		raw.c_cc[VMIN] = 1;
		raw.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	}
	s->entered = true;
}

static void leave(struct screen *s)
{
	if (!s->entered)
		return;
	if (s->has_keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &s->before);
	if (s->is_terminal)
		put(LEAVE, strlen(LEAVE));
	s->entered = false;
}

int screen_begin(struct screen *s)
{
	static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
	sigset_t mask;

	*s = (struct screen){.signals = -1, .is_terminal = terminal_is_output()};
	s->has_keys = s->is_terminal && tcgetattr(STDIN_FILENO, &s->before) == 0;
	sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		sigaddset(&mask, wanted[i]);
	if (sigprocmask(SIG_BLOCK, &mask, &s->mask_before) < 0 ||
		(s->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK)) < 0) {
		int err = -errno;
		log_error("cannot wait for signals: %s", strerror(-err));
		return err;
	}
	enter(s);
	return 0;
}

void screen_end(struct screen *s)
{
	leave(s);
	if (s->signals < 0)
		return;
	s->signals = close_fd(s->signals);
	sigprocmask(SIG_SETMASK, &s->mask_before, NULL);
}

enum screen_event screen_signal(struct screen *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return SCREEN_NOTHING;
	switch (info.ssi_signo) {
	case SIGWINCH:
		return SCREEN_REDRAW;
	case SIGTSTP:
		leave(s);
		raise(SIGSTOP);
		enter(s);
		return SCREEN_REDRAW;
	default:
		return SCREEN_QUIT;
	}
}

int screen_key(void)
{
	char key;
	ssize_t n = read(STDIN_FILENO, &key, 1);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	return n == 1 ? (unsigned char)key : -1;
}

unsigned screen_lines(const struct screen *s)
{
	struct winsize size;

	if (!s->is_terminal)
		return 0;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row ? size.ws_row
									   : DEFAULT_LINES;
}

/* As much of a line as fits. What would move the cursor, or is half of a character, is a '?'. */
static void put_line(FILE *out, const char *line, size_t n, unsigned width)
{
	unsigned column = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)line[i];
		bool continues = (c & 0xc0) == 0x80;
		/* 0xc2 begins the control characters of ISO 6429's upper half. */
		bool control = c < 0x20 || c == 0x7f ||
			       (c == 0xc2 && i + 1 < n && (unsigned char)line[i + 1] < 0xa0);
		if (!continues && column++ == width)
			return;
		fputc(control ? '?' : c, out);
		i += control && c == 0xc2;
	}
}

/* What is erased is erased before it is written to: in the last column the cursor is still on what
 * was written there. */
static void compose(FILE *out, const char *text, unsigned lines, unsigned width)
{
	unsigned used = 0;

	fputs(HOME, out);
	for (; used < lines && *text; used++) {
		size_t n = strcspn(text, "\n");
		fprintf(out, "%s" ERASE "%s", used ? "\r\n" : "", used ? "" : REVERSE);
		put_line(out, text, n, width);
		fputs(PLAIN, out);
		text += n + (text[n] == '\n');
	}
	if (used < lines)
		fputs("\r\n" BELOW, out);
}

void screen_draw(struct screen *s, const char *text)
{
	_cleanup_free_ char *frame = NULL;
	size_t size = 0;

	if (!s->is_terminal) {
		put(text, strlen(text));
		return;
	}
	FILE *out = open_memstream(&frame, &size);
	if (!out)
		return;
	compose(out, text, screen_lines(s), terminal_width());
	if (!fclose(out))
		put(frame, size);
}
