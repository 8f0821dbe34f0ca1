from typer.testing import CliRunner

from inception_rcnn.detector.cli import app as cli


def test_convert_says_what_to_call_the_data_set(tmp_path):
    (tmp_path / "a.csv").write_text("file,label,x1,y1,x2,y2,width,height,difficult\na.jpg,cat,1,2,3,4,20,10,1\n")
    arguments = ["convert", f"csv:{tmp_path / 'a.csv'}:{tmp_path}", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(cli.app, [*arguments, "--to", "voc"])
    assert done.exit_code == 0
    assert done.stdout == f"voc:{tmp_path / 'out'}:val\n"
    assert "voc has its images in" in done.stderr
    assert (tmp_path / "out" / "Annotations" / "a.xml").is_file()
