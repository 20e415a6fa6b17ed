import HopyardSimulator
import HopyardWire

/// Which devices and addresses `ip address show` and `flush` are about.
struct AddressFilter {
  var links = IpLinkShow.Filter()
  var label: String?
  var prefix: IproutePrefix?
  var scope: RouteScope?
  /// Flags that an address has or lacks.
  var wanted: InterfaceAddressFlags = []
  var unwanted: InterfaceAddressFlags = []
  var family: IpOptions.Family

  init(family: IpOptions.Family) { self.family = family }

  /// Reads words; `flushing` is `ip address flush`.
  mutating func read(
    _ arguments: inout IpArguments,
    _ context: IpContext,
    flushing: Bool
  ) throws(ProcessExit) {
    while let word = arguments.next() {
      switch word {
      case "to":
        let text = try arguments.value()
        guard let prefix = IproutePrefix(text) else { throw arguments.badPrefix(text) }
        self.prefix = prefix
        if family == .unspecified { family = .inet }
      case "scope":
        let text = try arguments.value()
        if text == "all" { break }
        guard let scope = IprouteNames.scope(text) else {
          throw arguments.wrong(text, "invalid \"scope\"\n")
        }
        self.scope = scope
      case "up": links.isUp = true
      case "dynamic": unwanted.insert(.permanent)
      case "permanent": wanted.insert(.permanent)
      case "secondary", "temporary": wanted.insert(.secondary)
      case "primary": unwanted.insert(.secondary)
      case "deprecated": wanted.insert(.deprecated)
      case "-deprecated": unwanted.insert(.deprecated)
      case "tentative": wanted.insert(.tentative)
      case "-tentative": unwanted.insert(.tentative)
      case "dadfailed": wanted.insert(.dadFailed)
      case "-dadfailed": unwanted.insert(.dadFailed)
      case "noprefixroute": wanted.insert(.noPrefixRoute)
      case "autojoin": wanted.insert(.autojoin)
      case "home": wanted.insert(.home)
      case "nodad": wanted.insert(.nodad)
      case "label": label = try arguments.value()
      case "group":
        let text = try arguments.value()
        guard let group = LinkRequest.group(text) else {
          throw arguments.wrong(text, "Invalid \"group\" value\n")
        }
        links.group = group
      case "master":
        let name = try arguments.value()
        guard let master = context.namespace.devices[name] else {
          throw arguments.wrong(name, "Device does not exist\n")
        }
        links.master = master
      case "nomaster": links.withoutMaster = true
      case "vrf":
        let name = try arguments.value()
        throw arguments.wrong(name, "Not a valid VRF name\n")
      case "type": links.kind = try arguments.value()
      case "help":
        context.printError(IpAddress.usage)
        throw .status(255)
      default:
        let name = word == "dev" ? try arguments.value() : word
        if links.device != nil { throw arguments.garbage("dev", name) }
        links.device = name
      }
    }
  }

  /// Whether only addresses decide which devices are shown.
  var needsAddresses: Bool { family == .inet || family == .inet6 }

  func matches(_ address: InterfaceAddress<UInt32>) -> Bool {
    guard family == .unspecified || family == .inet else { return false }
    if let scope, address.scope != scope { return false }
    if !address.flags.isSuperset(of: wanted) || !address.flags.isDisjoint(with: unwanted) {
      return false
    }
    if let label, !Self.matches(Array(label.utf8)[...], Array(address.label.utf8)[...]) {
      return false
    }
    if let prefix, (address.local ^ prefix.address.rawValue) & prefix.mask != 0 { return false }
    return true
  }

  /// Whether a text matches a pattern with `*` and `?`.
  private static func matches(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
    guard let first = pattern.first else { return text.isEmpty }
    switch first {
    case UInt8(ascii: "*"):
      return matches(pattern.dropFirst(), text)
        || (!text.isEmpty && matches(pattern, text.dropFirst()))
    case UInt8(ascii: "?"): return !text.isEmpty && matches(pattern.dropFirst(), text.dropFirst())
    default: return text.first == first && matches(pattern.dropFirst(), text.dropFirst())
    }
  }

  /// Whether a device is shown, as `ipaddr_filter` decides.
  func matches(_ device: NetworkDevice) -> Bool {
    let addresses = device.inet.addresses
    if addresses.contains(where: { matches($0) }) { return true }
    return addresses.isEmpty && family == .unspecified
  }
}
