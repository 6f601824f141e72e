# SPDX-License-Identifier: MIT
# bash completion for profctl. Options and commands are read from --help, so they are always those
# of the profctl that is installed.

_profctl_commands()
{
	"$1" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]\{1,\}\)  *.*/\1/p'
}

_profctl_options()
{
	"$1" "$2" --help 2>/dev/null | grep -oE '^ +(-[a-z],)? *--[a-z_-]+' | grep -oE -- '--[a-z_-]+'
}

# Words for the value of an option; fails where it is a file.
_profctl_values()
{
	case $1 in
	--format) echo 'pprof folded svg html speedscope firefox perfetto json dot callgrind' ;;
	--colors) echo 'hot mem io module kind' ;;
	--suffix) echo '/debug/pprof/profile /debug/pprof/heap /debug/pprof/allocs /debug/pprof/block /debug/pprof/mutex /debug/pprof/goroutine' ;;
	--symbolize) echo 'local none' ;;
	--names) echo 'short templates full' ;;
	--title | --width | --minwidth | --url) echo '' ;;
	--type) echo 'cpu heap' ;;
	--pid) ps -eo pid= ;;
	--tid) ps -eLo tid= ;;
	--comm) ps -eo comm= ;;
	--snapshot-every) echo '10s 64M-allocated 16M-grown' ;;
	--temporary)
		# Only behind =, which is a word of its own.
		[[ ${COMP_WORDS[COMP_CWORD]} == = || ${COMP_WORDS[COMP_CWORD - 1]} == = ]] || return 1
		echo '100us 1ms 10ms 100ms'
		;;
	--older) echo '10s 30s 1m 5m' ;;
	--min) echo '64K 1M' ;;
	--stacks) echo '' ;;
	--last | --within | --over) echo '5m 10m 1h 1d' ;;
	--by) echo 'pid comm' ;;
	--seconds) echo '10 30 60' ;;
	--interval) echo '1s 2s 5s' ;;
	--frequency) echo '19 99 499' ;;
	--cgroup | --label | --since | --until | --around | --diff_since | --diff_until) echo '' ;;
	--rows | --frames | --sample_index | --unit) echo '' ;;
	--nodecount | --nodefraction | --edgefraction | --divide_by) echo '' ;;
	--focus | --ignore | --hide | --show | --show_from | --prune_from | --tag*) echo '' ;;
	*) return 1 ;;
	esac
}

_profctl()
{
	local program=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]-} name values i

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_profctl_commands "$program") help --help --version" -- "$word")
		return
	fi
	# Behind `record --` comes a command of its own.
	for ((i = 2; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			declare -F _command_offset >/dev/null && _command_offset $((i + 1))
			return
		fi
	done
	# --name=value comes as three words.
	if [[ $word == = ]]; then
		word=''
	elif [[ $before == = ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	name=${before#-}
	if [[ $before == -?* ]] && values=$(_profctl_values "--${name#-}"); then
		mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_profctl_options "$program" "$command")" -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		compopt -o filenames 2>/dev/null
	fi
}

complete -F _profctl profctl
