# Read by zsh in the place of the user's own when it was started by `mfenv shell`.
if [ -n "$_MFENV_ZDOTDIR" ]; then ZDOTDIR="$_MFENV_ZDOTDIR"; else unset ZDOTDIR; fi
unset _MFENV_ZDOTDIR
if [ -f "${ZDOTDIR:-$HOME}/.zshrc" ]; then . "${ZDOTDIR:-$HOME}/.zshrc"; fi
eval "$_MFENV_ACTIVATE"
unset _MFENV_ACTIVATE
