extension CommandTable {
  /// Adds the commands that speak HTTP.
  public func addHTTPTools() {
    add([CurlCommand.command, PythonCommand.command, WgetCommand.command])
    alias("python", to: "python3")
  }
}
