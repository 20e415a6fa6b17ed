extension CommandTable {
  /// Adds the commands that know nothing of networks: text filters, files, processes.
  public func addStandardCommands() {
    add([
      EchoCommand.command, KillCommand.command, SleepCommand.command, TimeoutCommand.command,
      WhichCommand.command,
    ])
    add(WrapperCommands.all)
  }
}
