# How Perl's MIME::Parser reads mails: a file name a line in, one JSON object a line out.
use strict;
use warnings;
use Encode qw(decode);
use JSON::PP;
use MIME::Parser;

my $parser = MIME::Parser->new;
$parser->output_to_core(1);
$parser->tmp_to_core(1);
my $json = JSON::PP->new->utf8->canonical;
$| = 1;
while (my $file = <STDIN>) {
    chomp $file;
    my $mail = $parser->parse_open($file);
    my @leaves = grep { !scalar($_->parts) } $mail->parts_DFS;
    my @attached = grep { ($_->head->mime_attr('content-disposition') // '') eq 'attachment' } @leaves;
    my $subject = $mail->head->get('Subject') // '';
    $subject =~ s/\r?\n(?=[ \t])//g;
    print $json->encode({
        headers  => [ map { lc } $mail->head->tags ],
        to       => join('', map { s/\s+$//r } $mail->head->get_all('To')),
        subject  => decode('MIME-Header', $subject),
        errors   => [ $parser->results->errors, $parser->results->warnings ],
        attached => [ map { $_->bodyhandle->as_string } @attached ],
        leaves   => scalar(@leaves),
    }), "\n";
}
