extension CommandTable {
  /// Adds the commands that know nothing of networks: text filters, files, processes.
  public func addStandardCommands() {
    add([
      EchoCommand.command, PrintfCommand.command, KillCommand.command, SleepCommand.command,
      TimeoutCommand.command, WhichCommand.command, SedCommand.command,
      SortCommand.command, UniqCommand.command, CutCommand.command, TrCommand.command,
      SeqCommand.command, PasteCommand.command, NlCommand.command,
    ])
    add(TestCommand.all + GrepCommand.all + AwkCommand.all + CatCommands.all)
    add(FileCommands.all + SmallCommands.all + DumpCommands.all + WrapperCommands.all)
  }
}
