public import HopyardSimulator
public import HopyardUserland

/// Makes machines with the usual commands.
public enum MachineFactory {
  /// A machine whose root namespace is `root`, with files and commands.
  public static func make(
    _ name: String,
    in simulation: Simulation,
    iptables: IptablesVariant = .nft
  ) -> Userland {
    let machine = Machine(simulation: simulation, name: name, rootName: "root")
    let userland = Userland(
      machine: machine,
      commands: CommandTable.labCommands(iptables: iptables)
    )
    userland.mountNetworkTrees()
    userland.hostname = name
    try? userland.files.makeDirectory("/etc", withParents: true)
    let hosts = "127.0.0.1\tlocalhost\n127.0.1.1\t\(name)\n"
    try? userland.files.write("/etc/hosts", Array(hosts.utf8))
    return userland
  }
}
