# Read by zsh in the place of the user's own when it was started by `mfenv shell`.
if [ -f "${_MFENV_ZDOTDIR:-$HOME}/.zshenv" ]; then . "${_MFENV_ZDOTDIR:-$HOME}/.zshenv"; fi
