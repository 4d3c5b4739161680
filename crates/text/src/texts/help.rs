//! Words of the help, and what is said where a command was used wrongly.

texts! {
    /// Words of every help.
    HelpTexts {
        usage: "用法", "Usage";
        commands: "命令", "Commands";
        arguments: "参数", "Arguments";
        options: "选项", "Options";
        some_options: "[选项]", "[OPTIONS]";
        a_command: "<命令>", "<COMMAND>";
        example: "示例", "Example";
        examples: "示例", "Examples";
        print_help: "显示帮助", "Print help";
        print_version: "显示版本", "Print version";
        help_of_commands: "显示命令的帮助", "Print the help of a command";
        default(value: &str): "[默认: {value}]", "[default: {value}]";
        env(name: &str): "[环境变量: {name}]", "[env: {name}]";
        values(values: &str): "[可选值: {values}]", "[possible values: {values}]";
        value(name: &str, help: &str): "{name}: {help}", "{name}: {help}";
        aliases(names: &str): "[别名: {names}]", "[aliases: {names}]";
    }
}

texts! {
    /// What clap finds wrong, and what to do next.
    WrongUseTexts {
        unknown_argument(argument: &str): "没有参数 `{argument}`", "there is no argument `{argument}`";
        unknown_command(command: &str): "没有命令 `{command}`", "there is no command `{command}`";
        missing: "缺少:", "missing:";
        missing_command: "缺少命令", "a command is missing";
        no_value(argument: &str): "`{argument}` 缺少值", "`{argument}` needs a value";
        bad_value(value: &str, argument: &str): "`{argument}` 不能是 `{value}`", "`{argument}` cannot be `{value}`";
        because(what: &str, why: &str): "{what}: {why}", "{what}: {why}";
        not_a_number: "应为数字", "write a number";
        not_a_whole_number: "应为整数", "write a whole number";
        out_of_range(range: &str): "应在 {range} 范围内", "it must be within {range}";
        twice(argument: &str): "`{argument}` 只能给一次", "`{argument}` can be given once only";
        not_together(argument: &str): "`{argument}` 不能与这些同用:", "`{argument}` cannot be used with:";
        no_equals(argument: &str): "`{argument}` 的值要用等号给出", "the value of `{argument}` follows an equals sign";
        too_many(argument: &str, value: &str):
            "`{argument}` 的值太多: `{value}` 是多余的", "too many values of `{argument}`: `{value}` is one more than it takes";
        wrong_number(argument: &str): "`{argument}` 的值的个数不对", "`{argument}` has the wrong number of values";
        not_utf8: "参数不是 UTF-8 文字", "an argument is not UTF-8";
        wrong: "命令用法不对", "the command was used wrongly";
        possible(values: &str): "可选值: {values}", "possible values: {values}";
        similar(what: &str): "是不是要用 `{what}`?", "did you mean `{what}`?";
        more: "详见 `--help`", "see `--help`";
        unknown_language(name: &str):
            "PARKGATE_LANG={name}: 没有这种语言, 应写 zh 或 en", "PARKGATE_LANG={name}: no such language: write zh or en";
    }
}
