import HopyardSimulator
import HopyardWire

/// The entries of VXLAN devices in `bridge fdb`.
enum VXLANEntryText {
  /// What `dst`, `port`, `vni` and `via` said.
  struct Words {
    var address: IPv4Address?
    var port: UInt16 = 0
    var vni: UInt32?
    var ifindex: Int32 = 0
    var isEmpty: Bool { address == nil && port == 0 && vni == nil && ifindex == 0 }
  }

  /// Reads the value of one of these words; false if it is another word.
  static func read(
    _ word: String,
    _ arguments: inout IpArguments,
    _ words: inout Words,
    _ context: IpContext
  ) throws(ProcessExit) -> Bool {
    switch word {
    case "dst":
      let text = try arguments.value()
      if words.address != nil { throw arguments.garbage("dst", text) }
      guard let address = IPv4Address(text) else {
        if text.contains(":") { throw .refused("VXLAN over IPv6 is not modelled") }
        context.printError("Error: inet address is expected rather than \"\(text)\".\n")
        throw .status(1)
      }
      words.address = address
    case "port":
      let text = try arguments.value()
      guard let port = UInt16(text) else {
        throw arguments.wrong(text, "invalid destination port\n")
      }
      words.port = port
    case "vni":
      let text = try arguments.value()
      guard let vni = UInt32(text), vni < 1 << 24 else {
        throw arguments.wrong(text, "invalid VNI\n")
      }
      words.vni = vni
    case "via":
      let text = try arguments.value()
      guard let device = context.namespace.devices[text] else {
        throw arguments.wrong(text, "invalid device name\n")
      }
      words.ifindex = device.ifindex
    default: return false
    }
    return true
  }

  /// Prints one far end of an entry.
  static func print(
    _ entry: VXLANEntry,
    _ remote: VXLANRemote,
    of device: VXLANDevice,
    _ context: IpContext,
    hidesDevice: Bool,
    _ output: inout IpOutput
  ) {
    output.openObject()
    output.field("mac", entry.mac.description, text: "\(entry.mac) ", colour: .linkAddress)
    if !hidesDevice {
      output.field("ifname", device.name, lead: "dev ", text: device.name + " ", colour: .interface)
    }
    output.field(
      "dst",
      remote.address.description,
      lead: "dst ",
      text: "\(remote.address) ",
      colour: .address
    )
    if remote.port != 0 {
      output.field("port", .number(Int64(remote.port)), text: "port \(remote.port) ")
    }
    if let vni = remote.vni { output.field("vni", .unsigned(UInt64(vni)), text: "vni \(vni) ") }
    if remote.ifindex != 0 {
      let under = device.underlayNamespace
      let name = under === device.namespace ? under?.devices[remote.ifindex]?.name : nil
      output.field(
        "viaIf",
        name ?? "if\(remote.ifindex)",
        text: "via \(name ?? "if\(remote.ifindex)") "
      )
    }
    if let own = device.namespace, let under = device.underlayNamespace, own !== under {
      let number = own.identifier(of: under)
      output.field("linkNetNsId", .number(Int64(number)), text: "link-netnsid \(number) ")
    }
    if context.options.statistics > 0 {
      let now = device.simulation.now
      let used = max(0, (now - entry.used) / 1_000_000_000)
      let updated = max(0, (now - entry.updated) / 1_000_000_000)
      output.text("used \(used)/\(updated) ")
      output.json("used", .number(used))
      output.json("updated", .number(updated))
    }
    output.openArray("flags")
    output.element(.string("self"), text: "self ")
    output.closeArray()
    let state = entry.isPermanent ? "permanent" : ""
    output.field("state", state, text: state)
    output.text("\n")
    output.closeObject()
  }
}
