public import HopyardWire

/// A container's `/etc/hosts`, which grows and shrinks as networks come and go.
public struct ContainerHostsFile: Sendable {
  /// A line: an address and its names.
  public struct Entry: Hashable, Sendable {
    /// The address.
    public var address: String
    /// The names, the full one first.
    public var names: [String]

    /// Makes a line.
    public init(_ address: String, _ names: [String]) {
      self.address = address
      self.names = names
    }
  }

  /// The lines after the fixed ones.
  public private(set) var entries: [Entry] = []
  /// Whether the fixed lines name IPv6 addresses.
  public var hasIPv6 = true

  /// Makes a file with the lines of `--add-host`.
  public init(extraHosts: [Entry] = []) { entries = extraHosts }

  /// Adds lines at the end.
  public mutating func add(_ new: [Entry]) { entries += new }

  /// Removes lines.
  public mutating func remove(_ old: [Entry]) { entries.removeAll { old.contains($0) } }

  /// The file's text.
  public var text: String {
    var text = "127.0.0.1\tlocalhost\n"
    if hasIPv6 {
      text += "::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n"
      text += "ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
    }
    for entry in entries {
      text += entry.address + "\t" + entry.names.joined(separator: " ") + "\n"
    }
    return text
  }
}
